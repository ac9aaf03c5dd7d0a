//! The sockets of the services.

mod connection;
mod conversation;
mod datagram_socket;
mod datagrams;
mod shared;
mod stream;

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind, Write},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    os::unix::net,
    sync::Arc,
    time::Instant,
};

use tokio::{
    net::{TcpListener, TcpStream, UnixStream},
    runtime,
    sync::Notify,
    task::JoinSet,
    time::{interval, sleep},
};

use self::{
    conversation::Conversation,
    datagram_socket::DatagramSocket,
    datagrams::Datagrams,
    shared::{Shared, context, ended},
};
use super::{context::Service, limits::Limits, registry::protocol, secret::Secret};
use crate::{
    failure::Failure,
    journal::Journal,
    lines::log,
    ports::{Obtained, Supplier},
    protocol::{EXIT_DONE, EXIT_FAILED, EndReason, Listen, Protocol, ServiceState},
};

/// Serves the services of one decky.
pub(super) struct Server {
    shared: Arc<Shared>,
    listen: Vec<Listen>,
    runtime: runtime::Runtime,
}

impl Server {
    pub(super) fn new(
        state: &ServiceState,
        supplier: Supplier,
        limits: Limits,
        log: Box<dyn Write + Send>,
    ) -> Result<Self, Failure> {
        let secret = secret(&state.secret).ok_or_else(|| Failure::usage("the secret is not 64 hex digits", ""))?;
        let mut services = BTreeMap::new();
        for service in &state.services {
            let shared = Arc::new(Service {
                name: service.name.clone(),
                fields: service.fields.clone().into(),
                persona: state.persona.clone(),
                secret: secret.clone(),
            });
            for listen in &service.listen {
                if services.insert(*listen, Arc::clone(&shared)).is_some() {
                    return Err(Failure::usage(
                        "two services have the same port",
                        format!("port {} of {}", listen.port, service.name),
                    ));
                }
            }
        }
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::new("the runtime cannot be started", error))?;
        let journal = Journal::new(state.decky.clone(), log);
        Ok(Self {
            listen: services.keys().copied().collect(),
            shared: Arc::new(Shared::new(services, supplier, limits, journal)),
            runtime,
        })
    }

    /// Serves until `stop` is readable, with the sockets of one base after another. Returns the exit code.
    pub(super) fn run(&mut self, stop: &net::UnixStream) -> Result<u8, Failure> {
        let code = self.serve_bases(stop);
        self.shared.journal().finish(Instant::now());
        code
    }

    /// Serves sockets of a test until `stop` is readable or `base` ends.
    #[cfg(test)]
    pub(super) fn run_on(&mut self, obtained: Obtained, stop: net::UnixStream) -> EndReason {
        let reason = self.runtime.block_on(serve(&self.shared, obtained, stop));
        self.shared.journal().finish(Instant::now());
        reason.expect("sockets that can be watched")
    }

    fn serve_bases(&mut self, stop: &net::UnixStream) -> Result<u8, Failure> {
        loop {
            let mut logged = String::new();
            let shared = &self.shared;
            let obtained = shared.supplier.obtain(&self.listen, stop, |error| {
                shared.journal().tick(Instant::now());
                let cause = error.to_string();
                if cause != logged {
                    shared.complain("the base provides no sockets", &cause);
                }
                logged = cause;
            });
            let Some(obtained) = obtained else {
                return Ok(EXIT_DONE);
            };
            let stop = stop
                .try_clone()
                .map_err(|error| Failure::new("the stop signal cannot be watched", error))?;
            let served = self.runtime.block_on(serve(&self.shared, obtained, stop));
            match served {
                Ok(EndReason::Stopped) => return Ok(EXIT_DONE),
                // The base ended. Its sockets are useless.
                Ok(_) => {}
                Err(error) => {
                    log(
                        "error",
                        "waiting for contacts failed",
                        &serde_json::json!(error.to_string()),
                    );
                    return Ok(EXIT_FAILED);
                }
            }
        }
    }
}

/// Serves the sockets of a base until the base ends or `stop` is readable, and returns which of these happened.
async fn serve(shared: &Arc<Shared>, obtained: Obtained, stop: net::UnixStream) -> io::Result<EndReason> {
    shared.end.send_replace(None);
    let (stop, base) = (watched(stop)?, watched(obtained.base.into())?);
    let mut tasks = JoinSet::new();
    for (listener, port) in obtained.listeners {
        let listener = TcpListener::from_std(listener)?;
        tasks.spawn(accept(listener, port, Arc::clone(shared)));
    }
    for (socket, port) in obtained.sockets {
        let (socket, listen) = (DatagramSocket::new(socket)?, udp(port));
        if let Some(service) = shared.services.get(&listen) {
            let datagrams = Datagrams::new(socket, port, Arc::clone(service), Arc::clone(shared));
            tasks.spawn(datagrams.run());
        }
    }
    let mut tick = interval(shared.limits.tick);
    let reason = loop {
        tokio::select! {
            biased;
            _ = stop.readable() => break EndReason::Stopped,
            // The base sends nothing more, so this is its end.
            _ = base.readable() => break EndReason::Broken,
            _ = tick.tick() => shared.journal().tick(Instant::now()),
        }
    };
    shared.end.send_replace(Some(reason));
    while tasks.join_next().await.is_some() {}
    Ok(reason)
}

/// Returns a socket whose end or input can be waited for.
fn watched(socket: net::UnixStream) -> io::Result<UnixStream> {
    socket.set_nonblocking(true)?;
    UnixStream::from_std(socket)
}

/// Accepts the connections to one port, until the server ends.
async fn accept(listener: TcpListener, port: u16, shared: Arc<Shared>) {
    let mut end = shared.end.subscribe();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = ended(&mut end) => break,
            // Takes the results of connections that ended.
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, SocketAddr::V4(remote))) => {
                connections.spawn(greet(stream, remote, port, Arc::clone(&shared)));
            }
            // The listeners are IPv4.
            Ok((_, SocketAddr::V6(_))) => {}
            // A connection that was aborted before the accept does not affect the next one.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => {}
            // Out of file descriptors or memory. If other processes hold them, connections keep waiting, but a retry at once
            // would only spin.
            Err(error) => {
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
    while connections.join_next().await.is_some() {}
}

/// Serves one connection to its end.
async fn greet(stream: TcpStream, remote: SocketAddrV4, port: u16, shared: Arc<Shared>) {
    let listen = Listen {
        port,
        protocol: Protocol::Tcp,
    };
    let Some(service) = shared.services.get(&listen) else {
        return;
    };
    let local = match stream.local_addr() {
        Ok(SocketAddr::V4(local)) => *local.ip(),
        _ => Ipv4Addr::UNSPECIFIED,
    };
    let context = context(service, Protocol::Tcp, remote, SocketAddrV4::new(local, port));
    let limits = &shared.limits;
    let (guest, displaced): (u64, Arc<Notify>) =
        shared
            .crowd()
            .add(*remote.ip(), limits.of_source, limits.connections, Instant::now());
    let conversation = Arc::new(Conversation::open(context, &shared, Some(guest)));
    let mut end = shared.end.subscribe();
    let reason = tokio::select! {
        biased;
        reason = ended(&mut end) => reason,
        () = displaced.notified() => EndReason::Displaced,
        reason = connection::converse(stream, protocol(&service.name), &conversation) => reason,
        () = sleep(limits.life) => EndReason::Age,
    };
    conversation.close(reason);
}

fn udp(port: u16) -> Listen {
    Listen {
        port,
        protocol: Protocol::Udp,
    }
}

/// Reads 64 hex digits.
fn secret(hex: &str) -> Option<Secret> {
    let mut bytes = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()?;
    }
    Some(Secret::new(bytes))
}
