//! Connections of a server: how many there are, how long they may take, how they end.

use std::{
    net::{IpAddr, Ipv6Addr},
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use axum::Router;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::share::Shares;

/// How long the head of a request may take. An idle connection is closed then.
const HEAD: Duration = Duration::from_secs(10);

/// The longest head of a request, in bytes. The one that ends in the read that exceeds it is still accepted.
const LONGEST_HEAD: usize = 32 << 10;

/// How many connections there are at most. Others wait.
const CONNECTIONS: usize = 4096;

/// How long to wait after a connection could not be accepted, for instance because there are too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection, before TLS.
pub(crate) type PlainStream = Pin<Box<TimeoutStream<TcpStream>>>;

/// How connections are served.
#[derive(Debug)]
pub(crate) struct Listening {
    /// Ends the server.
    pub(crate) stop: CancellationToken,
    /// How long it waits for open requests when it stops.
    pub(crate) grace: Duration,
    /// How long it waits for a client that does not read its answer.
    pub(crate) write_timeout: Duration,
    /// The largest number of connections from one address. Loopback addresses have no limit.
    pub(crate) max_connections_each: usize,
}

impl Listening {
    /// Serves connections until the stop. It then takes no more connections, and waits for open requests, but not too long.
    ///
    /// `greet` does the handshake of a connection and returns its router; none closes it.
    pub(crate) async fn serve<S, F>(self, listener: TcpListener, greet: impl Fn(PlainStream) -> F)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        F: Future<Output = Option<(S, Router)>> + Send + 'static,
    {
        let open = TaskTracker::new();
        let peers = Shares::default();
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let stop = &self.stop;
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
            let share = match counted(peer).map(|peer| peers.take(peer, self.max_connections_each)) {
                Some(None) => {
                    tracing::debug!(%peer, "a connection was closed: its address has too many");
                    continue;
                }
                share => share.flatten(),
            };
            // Small answers are sent at once.
            let _ = stream.set_nodelay(true);
            let mut stream = TimeoutStream::new(stream);
            stream.set_write_timeout(Some(self.write_timeout));
            let (greeting, stop) = (greet(Box::pin(stream)), stop.clone());
            open.spawn(async move {
                let _held = (permit, share);
                let greeted = stop.run_until_cancelled(greeting).await;
                if let Some((stream, router)) = greeted.flatten() {
                    converse(stream, router, &stop).await;
                }
            });
        }
        drop(listener);
        open.close();
        if tokio::time::timeout(self.grace, open.wait()).await.is_err() {
            tracing::warn!("open requests did not end in time");
        }
    }
}

/// Answers the requests of one connection.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    router: Router,
    stop: &CancellationToken,
) {
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(LONGEST_HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
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
