use std::{io, sync::Arc};

use axum::{
    Router,
    extract::Request,
    http::{HeaderName, Method, header},
    routing::{MethodFilter, on},
};
use tokio::net::TcpListener;
use tower_http::cors::CorsLayer;

use super::{
    api::Api,
    dispatch::{self, BASE},
    idempotency::{IDEMPOTENCY_KEY, REPLAYED},
    listening::Listening,
    map, openapi,
    options::HttpOptions,
    routes,
};
use crate::engine::Engine;

/// Returns the router of the API, with all routes below `/api/v1`, and the map at `/`. It can be nested in another one.
///
/// The token [`HttpOptions::stop`] ends its streams and interrupts its operations. A program that drops its tokio runtime before
/// they end has the same effect as killing the process: the next operation on the topology continues.
pub fn router(engine: Engine, options: HttpOptions) -> Router {
    build(engine, options).1
}

fn build(engine: Engine, options: HttpOptions) -> (Arc<Api>, Router) {
    let table = routes::table();
    let api = Arc::new(Api::new(engine, options, openapi::describe(&table)));
    let mut router = Router::new();
    for route in table {
        let filter = MethodFilter::try_from(route.method.clone()).unwrap_or(MethodFilter::TRACE);
        let (api, path, route) = (Arc::clone(&api), format!("{BASE}{}", route.path), Arc::new(route));
        let handler = move |request: Request| dispatch::answer(api, route, request);
        router = router.route(&path, on(filter, handler));
    }
    let mut router = map::add_to(router)
        .fallback(dispatch::without_route)
        .method_not_allowed_fallback(dispatch::without_method);
    let origins = &api.options.origins;
    if !origins.is_empty() {
        router = router.layer(cors(origins.clone()));
    }
    (api, router)
}

fn cors(origins: Vec<header::HeaderValue>) -> CorsLayer {
    let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let sent = [
        header::AUTHORIZATION,
        header::CONTENT_TYPE,
        header::IF_MATCH,
        HeaderName::from_static("last-event-id"),
        HeaderName::from_static("prefer"),
        HeaderName::from_static("x-request-id"),
        IDEMPOTENCY_KEY,
    ];
    let read = [
        header::ETAG,
        header::LOCATION,
        header::RETRY_AFTER,
        HeaderName::from_static("x-request-id"),
        REPLAYED,
    ];
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods(methods)
        .allow_headers(sent)
        .expose_headers(read)
}

/// Serves the API until [`HttpOptions::stop`] is cancelled.
///
/// It then takes no more connections, ends all streams and interrupts all operations. It waits for open requests, but no longer than
/// [`HttpOptions::grace`]; for the changes that were begun, also those whose client has gone; and for the operations, which undo their
/// changes or finish what they have started.
///
/// A client has ten seconds for the head of a request, of about 32 KiB. One that does not read its answer is disconnected after
/// [`HttpOptions::write_timeout`].
///
/// # Errors
///
/// [`io::ErrorKind::PermissionDenied`] if the authenticator [needs a loopback address](crate::Authenticator::needs_loopback) and the
/// listener has another one; or if the address of the listener is unknown.
pub async fn serve(engine: Engine, options: HttpOptions, listener: TcpListener) -> io::Result<()> {
    let address = listener.local_addr()?;
    if options.authenticator.needs_loopback() && !address.ip().is_loopback() {
        let text = format!("without tokens, the server listens on a loopback address only, not on {address}");
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    let (api, router) = build(engine, options);
    let HttpOptions {
        stop,
        grace,
        write_timeout,
        max_connections_each,
        ..
    } = &api.options;
    let listening = Listening {
        stop: stop.clone(),
        grace: *grace,
        write_timeout: *write_timeout,
        max_connections_each: *max_connections_each,
    };
    listening
        .serve(listener, |stream| std::future::ready(Some((stream, router.clone()))))
        .await;
    api.finished().await;
    Ok(())
}
