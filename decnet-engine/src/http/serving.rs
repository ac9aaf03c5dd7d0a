use std::{io, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::Request,
    http::{HeaderName, Method, header},
    routing::{MethodFilter, on},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore};
use tower_http::cors::CorsLayer;

use super::{
    api::Api,
    dispatch::{self, BASE},
    idempotency::{IDEMPOTENCY_KEY, REPLAYED},
    map, openapi,
    options::HttpOptions,
    routes,
};
use crate::engine::Engine;

/// How long the head of a request may take. An idle connection is closed then.
const HEAD: Duration = Duration::from_secs(30);

/// How many connections there are at most. Others wait.
const CONNECTIONS: usize = 4096;

/// How long to wait after a connection could not be accepted, for instance because there are too many open files.
const PAUSE: Duration = Duration::from_millis(100);

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
/// [`HttpOptions::grace`], and for the operations, which undo their changes or finish what they have started.
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
    let (stop, grace) = (options.stop.clone(), options.grace);
    let (api, router) = build(engine, options);
    let open = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    while let Some(permit) = stop.run_until_cancelled(Arc::clone(&room).acquire_owned()).await {
        let Some(accepted) = stop.run_until_cancelled(listener.accept()).await else {
            break;
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        // Small answers are sent at once.
        let _ = stream.set_nodelay(true);
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router.clone()));
        let connection = open.watch(connection);
        tokio::spawn(async move {
            let _permit = permit;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(grace, open.shutdown()).await.is_err() {
        tracing::warn!("open requests did not end in time");
    }
    api.jobs.finished().await;
    Ok(())
}
