use std::{
    io,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

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
use tokio_io_timeout::TimeoutStream;
use tower_http::cors::CorsLayer;

use super::{
    api::Api,
    dispatch::{self, BASE},
    idempotency::{IDEMPOTENCY_KEY, REPLAYED},
    map, openapi,
    options::HttpOptions,
    routes,
    share::Shares,
};
use crate::engine::Engine;

/// How long the head of a request may take. An idle connection is closed then.
const HEAD: Duration = Duration::from_secs(10);

/// The longest head of a request, in bytes. The one that ends in the read that exceeds it is still accepted.
const LONGEST_HEAD: usize = 32 << 10;

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

/// Returns the address that a connection counts for: the network of an IPv6 address, because a host has all of its addresses. None for
/// this machine, where a proxy may run.
fn counted(peer: IpAddr) -> Option<IpAddr> {
    let peer = peer.to_canonical();
    if peer.is_loopback() {
        return None;
    }
    Some(match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    })
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
    let open = GracefulShutdown::new();
    let peers = Shares::default();
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    while let Some(permit) = stop.run_until_cancelled(Arc::clone(&room).acquire_owned()).await {
        let Some(accepted) = stop.run_until_cancelled(listener.accept()).await else {
            break;
        };
        let (stream, peer) = match accepted {
            Ok((stream, address)) => (stream, address.ip()),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let share = match counted(peer).map(|peer| peers.take(peer, *max_connections_each)) {
            Some(None) => {
                tracing::debug!(%peer, "a connection was closed: its address has too many");
                continue;
            }
            share => share.flatten(),
        };
        // Small answers are sent at once.
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(*write_timeout));
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_buf_size(LONGEST_HEAD)
            .serve_connection(TokioIo::new(Box::pin(stream)), TowerToHyperService::new(router.clone()));
        let connection = open.watch(connection);
        tokio::spawn(async move {
            let _held = (permit, share);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(*grace, open.shutdown()).await.is_err() {
        tracing::warn!("open requests did not end in time");
    }
    api.finished().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_count_for_an_address_except_those_of_this_machine() {
        let counted = |text: &str| {
            let peer = text.parse().expect("an address");
            counted(peer).map(|peer| peer.to_string())
        };
        for text in ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(counted(text), None, "{text}");
        }
        for (text, expected) in [
            ("10.0.0.5", "10.0.0.5"),
            ("::ffff:10.0.0.5", "10.0.0.5"),
            ("2001:db8::1", "2001:db8::"),
            ("2001:db8::2:0:0:1", "2001:db8::"),
            ("2001:db8:0:1::1", "2001:db8:0:1::"),
        ] {
            assert_eq!(counted(text).as_deref(), Some(expected), "{text}");
        }
    }
}
