//! A server in this process.

mod changes;
mod oracle;
mod passwords;
mod server;

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket},
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

use super::*;
use crate::{
    ports::{
        Obtained,
        tests::{Base, free},
    },
    protocol::{Action, BuiltinService, EXIT_DONE, EXIT_FAILED, EndReason, Listen, Os, Persona, Protocol, Record},
};

const BANNER: &str = "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n";

/// The log that was written.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        let text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&text).into()
    }

    fn records(&self) -> Vec<Record> {
        let text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
    }

    fn of(&self, action: Action) -> Vec<Record> {
        let records = self.records().into_iter();
        records.filter(|record| record.event.action == action).collect()
    }
}

/// Returns a service.
fn service(name: &str, listen: Vec<Listen>, fields: serde_json::Value) -> BuiltinService {
    BuiltinService {
        name: name.into(),
        listen,
        fields: serde_json::from_value(fields).unwrap(),
    }
}

/// Returns a service of a user's own catalogue.
fn own(listen: Vec<Listen>) -> BuiltinService {
    service("own", listen, serde_json::json!({ "banner": BANNER }))
}

/// Returns the state of a service of a user's own catalogue.
fn state(listen: Vec<Listen>) -> ServiceState {
    state_of(own(listen))
}

fn state_of(service: BuiltinService) -> ServiceState {
    ServiceState {
        decky: "web".into(),
        persona: Persona {
            hostname: "web-01".into(),
            domain: "corp.local".into(),
            os: Os::Debian12,
            versions: std::collections::BTreeMap::default(),
        },
        secret: "07".repeat(32),
        services: vec![service],
        passwords: true,
    }
}

fn server(service: BuiltinService, path: &str, log: &Log) -> Server {
    let supplier = Supplier::new(path.into());
    let log = Box::new(log.clone());
    Server::new(&state_of(service), supplier, Limits::default(), log).unwrap_or_else(|_| panic!("a server"))
}

/// A running server with one socket on a free port.
struct Running {
    port: u16,
    log: Log,
    stop: UnixStream,
    /// Dropping it ends the base.
    base: OwnedFd,
    thread: JoinHandle<EndReason>,
}

impl Running {
    fn start(protocol: Protocol) -> Self {
        Self::serve(own(Vec::new()), protocol)
    }

    /// Serves a service on loopback.
    fn serve(mut service: BuiltinService, protocol: Protocol) -> Self {
        let log = Log::default();
        let any = (Ipv4Addr::UNSPECIFIED, 0);
        let (held, base) = UnixStream::pair().unwrap();
        let mut obtained = Obtained {
            base: held.into(),
            listeners: Vec::new(),
            sockets: Vec::new(),
        };
        let port = match protocol {
            Protocol::Tcp => {
                let listener = TcpListener::bind(any).unwrap();
                listener.set_nonblocking(true).unwrap();
                let port = listener.local_addr().unwrap().port();
                obtained.listeners.push((listener, port));
                port
            }
            Protocol::Udp => {
                let socket = UdpSocket::bind(any).unwrap();
                socket.set_nonblocking(true).unwrap();
                let port = socket.local_addr().unwrap().port();
                obtained.sockets.push((socket, port));
                port
            }
        };
        service.listen = vec![Listen { port, protocol }];
        let mut server = server(service, "", &log);
        let (stop_end, stop) = UnixStream::pair().unwrap();
        Self {
            port,
            log,
            stop,
            base: base.into(),
            thread: thread::spawn(move || server.run_on(obtained, &stop_end)),
        }
    }

    /// Connects from a loopback address.
    fn visit(&self, from: Ipv4Addr) -> TcpStream {
        let socket: OwnedFd = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&socket, &SocketAddrV4::new(from, 0)).unwrap();
        connect(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.port)).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    fn end(self) -> Log {
        (&self.stop).write_all(b"x").unwrap();
        assert_eq!(self.thread.join().unwrap(), EndReason::Stopped);
        drop(self.base);
        self.log
    }
}

/// Reads the banner.
fn greeting(stream: &mut TcpStream) -> String {
    let mut heard = [0; BANNER.len()];
    stream.read_exact(&mut heard).unwrap();
    String::from_utf8_lossy(&heard).into()
}
