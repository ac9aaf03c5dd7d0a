//! The connections to one TCP port.

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::Arc,
    time::Instant,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    task::JoinSet,
    time::sleep,
};

use super::{
    connection,
    conversation::Conversation,
    shared::{Shared, ended},
};
use crate::{
    protocol::{EndReason, Protocol},
    service::{context::Service, registry::protocol},
};

/// What the connections to one port share.
#[derive(Clone)]
pub(super) struct Connections {
    port: u16,
    service: Arc<Service>,
    shared: Arc<Shared>,
    /// Gets the reason for the end of the service.
    end: watch::Receiver<Option<EndReason>>,
}

impl Connections {
    pub(super) fn new(
        port: u16,
        service: Arc<Service>,
        shared: Arc<Shared>,
        end: watch::Receiver<Option<EndReason>>,
    ) -> Self {
        Self {
            port,
            service,
            shared,
            end,
        }
    }

    /// Accepts connections until the service ends.
    pub(super) async fn run(mut self, listener: TcpListener) {
        let mut open = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                biased;
                _ = ended(&mut self.end) => break,
                // Takes the results of connections that ended.
                Some(_) = open.join_next() => continue,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, SocketAddr::V4(remote))) => {
                    open.spawn(self.clone().greet(stream, remote));
                }
                // The listeners are IPv4.
                Ok((_, SocketAddr::V6(_))) => {}
                // A connection that was aborted before the accept does not affect the next one.
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => {}
                // Out of file descriptors or memory. If other processes hold them, connections keep waiting, but a retry at
                // once would only spin.
                Err(error) => {
                    let shared = &self.shared;
                    shared.complain("no room for another connection", &error.to_string());
                    shared
                        .crowd()
                        .displace(Ipv4Addr::UNSPECIFIED, shared.limits.of_source, 0);
                    // The displaced connection closes its socket meanwhile.
                    sleep(shared.limits.accept_pause).await;
                }
            }
        }
        drop(listener);
        while open.join_next().await.is_some() {}
    }

    /// Serves one connection to its end.
    async fn greet(mut self, stream: TcpStream, remote: SocketAddrV4) {
        let local = match stream.local_addr() {
            Ok(SocketAddr::V4(local)) => *local.ip(),
            _ => Ipv4Addr::UNSPECIFIED,
        };
        let shared = &self.shared;
        let local = SocketAddrV4::new(local, self.port);
        let context = shared.context(&self.service, Protocol::Tcp, remote, local, None);
        let limits = &shared.limits;
        let (guest, displaced): (u64, Arc<Notify>) =
            shared
                .crowd()
                .add(*remote.ip(), limits.of_source, limits.connections, Instant::now());
        let conversation = Arc::new(Conversation::open(context, shared, Some(guest)));
        let reason = tokio::select! {
            biased;
            reason = ended(&mut self.end) => reason,
            () = displaced.notified() => EndReason::Displaced,
            reason = connection::converse(stream, protocol(&self.service.name), &conversation) => reason,
            () = sleep(limits.life) => EndReason::Age,
        };
        conversation.close(reason);
    }
}
