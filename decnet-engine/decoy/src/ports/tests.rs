//! Tests with a server in this process and services that ask it.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::net::UnixStream,
    },
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    net::{SendFlags, SocketAddrUnix, connect, send},
};

use super::{
    obtain::read_interfaces,
    obtain::{Obtained, Supplier},
    server::SocketServer,
    wire::{self, Answer, Interfaces, MOST_INTERFACES, PORTS_AT_ONCE, Request},
};
use crate::protocol::{Listen, Mac, Protocol};

/// Longer than any step takes.
const LONG: Duration = Duration::from_secs(20);

fn interfaces(count: u32) -> Interfaces {
    (0..count)
        .map(|number| {
            let [_, a, b, c] = number.to_be_bytes();
            (Ipv4Addr::new(10, a, b, c), Mac([0, 0x0c, 0x29, a, b, c]))
        })
        .collect()
}

/// A base whose server runs until it is dropped.
pub(crate) struct Base {
    signal: UnixStream,
    thread: Option<JoinHandle<()>>,
}

impl Base {
    pub(crate) fn start(path: &Path) -> Self {
        let (mut signaled, signal) = UnixStream::pair().unwrap();
        let mut server = SocketServer::open(path).unwrap();
        server.publish(interfaces(1));
        let serve = move || loop {
            if server.serve(&[signaled.as_fd()]).unwrap()[0] {
                let mut count = [0];
                signaled.read_exact(&mut count).unwrap();
                if count == [0] {
                    return;
                }
                server.publish(interfaces(count[0].into()));
            }
        };
        Self {
            signal,
            thread: Some(thread::spawn(serve)),
        }
    }

    /// Publishes this many interfaces, at least one.
    fn publish(&mut self, count: u8) {
        self.signal.write_all(&[count]).unwrap();
    }
}

impl Drop for Base {
    fn drop(&mut self) {
        self.signal.write_all(&[0]).unwrap();
        let ended = self.thread.take().unwrap().join();
        // A second panic would hide the first.
        assert!(ended.is_ok() || thread::panicking());
    }
}

/// A service and its complaints.
struct Service {
    supplier: Supplier,
    ports: Vec<Listen>,
    complaints: Arc<Mutex<Vec<String>>>,
    stop: UnixStream,
    signal: UnixStream,
}

impl Service {
    fn new(path: &Path, ports: &[Listen]) -> Self {
        let (signal, stop) = UnixStream::pair().unwrap();
        Self {
            supplier: Supplier::new(path.to_owned()),
            ports: ports.to_vec(),
            complaints: Arc::default(),
            stop,
            signal,
        }
    }

    fn obtain(&self) -> Option<Obtained> {
        self.supplier.obtain(&self.ports, &self.signal, |error| {
            self.complaints.lock().unwrap().push(error.to_string());
        })
    }

    /// Waits for a complaint.
    fn has_complained(&self, of: &str) {
        let deadline = Instant::now() + LONG;
        let complained = || self.complaints.lock().unwrap().iter().any(|text| text.contains(of));
        while !complained() {
            assert!(Instant::now() < deadline, "{of}: {:?}", self.complaints);
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn path() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    (folder, path)
}

fn tcp(port: u16) -> Listen {
    Listen {
        port,
        protocol: Protocol::Tcp,
    }
}

/// Returns a port that was free a moment ago.
pub(crate) fn free() -> u16 {
    let socket = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    socket.local_addr().unwrap().port()
}

/// Connects without sending a request.
fn connected(path: &Path) -> OwnedFd {
    let socket = wire::socket().unwrap();
    let address = SocketAddrUnix::new(path).unwrap();
    loop {
        match connect(&socket, &address) {
            // The backlog is full.
            Err(Errno::AGAIN) => thread::yield_now(),
            connected => {
                connected.unwrap();
                return socket;
            }
        }
    }
}

/// Waits for an answer of the base.
fn heard(socket: &OwnedFd) -> io::Result<Option<Answer>> {
    let deadline = Instant::now() + LONG;
    loop {
        match wire::receive(socket) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < deadline => thread::yield_now(),
            other => return other,
        }
    }
}

/// Waits until the base closes the connection.
fn assert_ended(socket: &OwnedFd) {
    assert!(
        matches!(heard(socket), Ok(None))
            || matches!(heard(socket), Err(error) if error.kind() == io::ErrorKind::ConnectionReset)
    );
}

#[test]
fn sockets_arrive_in_the_order_of_the_ports_and_are_freed_with_the_service() {
    let (_folder, path) = path();
    let _base = Base::start(&path);
    let [first, second] = [free(), free()];
    let udp = Listen {
        port: second,
        protocol: Protocol::Udp,
    };
    let service = Service::new(&path, &[tcp(second), tcp(first), udp]);
    let obtained = service.obtain().unwrap();
    let ports: Vec<_> = obtained
        .listeners
        .iter()
        .map(|(listener, port)| (listener.local_addr().unwrap().port(), *port))
        .collect();
    assert_eq!(ports, [(second, second), (first, first)]);
    let [(socket, port)] = &obtained.sockets[..] else {
        panic!("one socket for datagrams")
    };
    assert_eq!((socket.local_addr().unwrap().port(), *port), (second, second));

    let mut visitor = TcpStream::connect((Ipv4Addr::LOCALHOST, first)).unwrap();
    let (mut stream, _) = loop {
        match obtained.listeners[1].0.accept() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::yield_now(),
            accepted => break accepted.unwrap(),
        }
    };
    visitor.write_all(b"hello").unwrap();
    drop(visitor);
    stream.set_nonblocking(false).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    assert_eq!(said, "hello");

    // If the base kept one of them, the next bind would fail.
    drop((obtained, stream));
    assert_eq!(service.obtain().unwrap().listeners.len(), 2);
}

#[test]
fn many_ports_arrive_in_several_messages() {
    let (_folder, path) = path();
    let _base = Base::start(&path);
    let ports = vec![tcp(0); PORTS_AT_ONCE * 2 + 1];
    let obtained = Service::new(&path, &ports).obtain().unwrap();
    assert_eq!(obtained.listeners.len(), ports.len());
}

#[test]
fn a_service_that_starts_before_its_base_gets_its_sockets_when_the_base_starts() {
    let (_folder, path) = path();
    let service = Service::new(&path, &[tcp(0)]);
    thread::scope(|scope| {
        let obtaining = scope.spawn(|| service.obtain());
        service.has_complained("No such file");
        let _base = Base::start(&path);
        assert_eq!(obtaining.join().unwrap().unwrap().listeners.len(), 1);
    });
}

#[test]
fn a_service_that_is_stopped_while_it_waits_gives_up() {
    let (_folder, path) = path();
    let service = Service::new(&path, &[tcp(0)]);
    thread::scope(|scope| {
        let obtaining = scope.spawn(|| service.obtain().is_none());
        service.has_complained("No such file");
        (&service.stop).write_all(b"x").unwrap();
        assert!(obtaining.join().unwrap());
    });
}

#[test]
fn a_service_notices_the_end_of_its_base_and_uses_the_next_one() {
    let (_folder, path) = path();
    let base = Base::start(&path);
    let service = Service::new(&path, &[tcp(free())]);
    let first = service.obtain().unwrap();
    watched(&first.base);
    drop(base);
    assert!(matches!(wire::receive::<Answer>(&first.base), Ok(None)));
    drop(first);
    // The socket of the first base is still in the folder.
    let _base = Base::start(&path);
    assert_eq!(service.obtain().unwrap().listeners.len(), 1);
}

#[test]
fn a_port_in_use_is_named_and_asked_for_until_it_is_free() {
    let (_folder, path) = path();
    let _base = Base::start(&path);
    let holder = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let port = holder.local_addr().unwrap().port();
    let service = Service::new(&path, &[tcp(0), tcp(port)]);
    thread::scope(|scope| {
        let obtaining = scope.spawn(|| service.obtain());
        service.has_complained(&format!("port {port}/tcp cannot be bound: Address already in use"));
        drop(holder);
        assert_eq!(obtaining.join().unwrap().unwrap().listeners.len(), 2);
    });
}

#[test]
fn an_invalid_request_ends_only_its_connection() {
    let (_folder, path) = path();
    let _base = Base::start(&path);
    let settled = Service::new(&path, &[tcp(0)]).obtain().unwrap();
    let too_many = serde_json::to_vec(&Request {
        listen: vec![tcp(0); PORTS_AT_ONCE + 1],
        watch: false,
    });
    for garbage in [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        b"\0\xff\xfe".to_vec(),
        b"{\"listen\":[{\"port\":70000,\"protocol\":\"tcp\"}]}".to_vec(),
        b"{\"listen\":[],\"more\":1}".to_vec(),
        vec![b'['; 4096],
        vec![b'x'; 5000],
        too_many.unwrap(),
    ] {
        let socket = connected(&path);
        send(&socket, &garbage, SendFlags::NOSIGNAL).unwrap();
        assert!(matches!(heard(&socket), Ok(Some(Answer::Refused(_)))), "{garbage:?}");
        assert_ended(&socket);
    }
    assert_eq!(watched(&settled.base), interfaces(1));
    assert!(matches!(wire::receive::<Answer>(&settled.base), Err(error) if error.kind() == io::ErrorKind::WouldBlock));
    assert_eq!(Service::new(&path, &[tcp(0)]).obtain().unwrap().listeners.len(), 1);
}

#[test]
fn connections_beyond_the_limit_are_refused_until_others_end() {
    let (_folder, path) = path();
    let _base = Base::start(&path);
    // They send no request, so they keep their places for seconds.
    let mut held: Vec<_> = (0..256).map(|_| connected(&path)).collect();
    let refused = connected(&path);
    assert_eq!(
        heard(&refused).unwrap(),
        Some(Answer::Refused("too many connections".into()))
    );
    held.truncate(200);
    assert_eq!(Service::new(&path, &[tcp(0)]).obtain().unwrap().listeners.len(), 1);
}

#[test]
fn services_that_do_not_take_their_sockets_delay_others_only_briefly() {
    let (_folder, path) = path();
    let _base = Base::start(&path);
    let request = Request {
        listen: vec![tcp(0)],
        watch: false,
    };
    let greedy: Vec<_> = (0..5).map(|_| connected(&path)).collect();
    for socket in &greedy {
        wire::send(socket, &request, &[]).unwrap();
    }
    assert_eq!(Service::new(&path, &[tcp(0)]).obtain().unwrap().listeners.len(), 1);
}

/// Waits for the interfaces of a base.
fn watched(base: &OwnedFd) -> Interfaces {
    let deadline = Instant::now() + LONG;
    loop {
        let read = |buffer: &mut [u8]| Ok(rustix::io::read(base, buffer)?);
        if let Some(interfaces) = read_interfaces(read).unwrap() {
            return interfaces;
        }
        assert!(Instant::now() < deadline, "the base reports nothing");
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_service_gets_the_interfaces_and_each_change_of_them() {
    let (_folder, path) = path();
    let mut base = Base::start(&path);
    let obtained = Service::new(&path, &[tcp(0)]).obtain().unwrap();
    assert_eq!(watched(&obtained.base), interfaces(1));
    for count in [3, u8::MAX] {
        base.publish(count);
        let all = interfaces(count.into()).into_iter();
        assert_eq!(watched(&obtained.base), all.take(MOST_INTERFACES).collect());
    }
    drop(base);
    let ended = read_interfaces(|buffer| Ok(rustix::io::read(&obtained.base, buffer)?));
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn only_a_report_of_interfaces_is_read_as_one() {
    let read = |message: &[u8]| {
        read_interfaces(|buffer| {
            buffer[..message.len()].copy_from_slice(message);
            Ok(message.len())
        })
    };
    let report = br#"{"interfaces":{"10.0.0.0":"00:0c:29:00:00:00"}}"#;
    assert_eq!(read(report).unwrap(), Some(interfaces(1)));
    for other in [
        &b"\"granted\""[..],
        b"{\"refused\":\"no\"}",
        b"{",
        b"{\"interfaces\":{\"x\":1}}",
    ] {
        assert_eq!(read(other).unwrap(), None, "{other:?}");
    }
    let nothing_yet = read_interfaces(|_| Err(io::ErrorKind::WouldBlock.into()));
    assert_eq!(nothing_yet.unwrap(), None);
}

#[test]
fn a_service_gets_a_free_port_for_a_second_connection() {
    let (_folder, path) = path();
    let _base = Base::start(&path);
    let supplier = Supplier::new(path);
    let (first, second) = (supplier.open_port().unwrap(), supplier.open_port().unwrap());
    assert_ne!(first.local_addr().unwrap().port(), second.local_addr().unwrap().port());
    TcpStream::connect((Ipv4Addr::LOCALHOST, first.local_addr().unwrap().port())).unwrap();
}

#[test]
fn a_port_for_a_second_connection_is_refused_without_a_base() {
    let (_folder, path) = path();
    assert_eq!(
        Supplier::new(path).open_port().unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
}
