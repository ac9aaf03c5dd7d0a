//! Tests of the responder in this process, with visitors on many loopback addresses.

use std::{
    io::{Read, Write},
    net::SocketAddrV4,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

use super::*;
use crate::{
    ports::tests::{Base, free},
    protocol::{Contact, ContactEvent, Listen, Protocol, Summary},
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
    fn lines(&self) -> Vec<serde_json::Value> {
        let text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
    }

    fn contacts(&self) -> Vec<Contact> {
        let lines = self.lines().into_iter().filter(|line| line["event"] != "summary");
        lines.map(|line| serde_json::from_value(line).unwrap()).collect()
    }

    fn summaries(&self) -> Vec<Summary> {
        let lines = self.lines().into_iter().filter(|line| line["event"] == "summary");
        lines.map(|line| serde_json::from_value(line).unwrap()).collect()
    }
}

/// A running responder with one socket on a free port.
struct Running {
    port: u16,
    log: Log,
    stop: UnixStream,
    /// Dropping it ends the base.
    base: OwnedFd,
    thread: JoinHandle<Option<u8>>,
}

impl Running {
    fn start(protocol: Protocol) -> Self {
        let log = Log::default();
        let state = ServiceState {
            decky: "web".into(),
            service: "ssh".into(),
            listen: Vec::new(),
            banner: Some(BANNER.into()),
        };
        let mut responder = Responder::new(state, Limits::default(), Box::new(log.clone()));
        let any = (Ipv4Addr::UNSPECIFIED, 0);
        let address = match protocol {
            Protocol::Tcp => {
                let listener = TcpListener::bind(any).unwrap();
                listener.set_nonblocking(true).unwrap();
                let address = listener.local_addr();
                responder.listeners.push((listener, address.as_ref().unwrap().port()));
                address
            }
            Protocol::Udp => {
                let socket = UdpSocket::bind(any).unwrap();
                socket.set_nonblocking(true).unwrap();
                let address = socket.local_addr();
                responder.sockets.push((socket, address.as_ref().unwrap().port()));
                address
            }
        };
        let (stop_end, stop) = UnixStream::pair().unwrap();
        let (held, base) = UnixStream::pair().unwrap();
        let thread = thread::spawn(move || {
            let code = responder.answer(&stop_end, &held.into());
            responder.close();
            code
        });
        Self {
            port: address.unwrap().port(),
            log,
            stop,
            base: base.into(),
            thread,
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
        assert_eq!(self.thread.join().unwrap(), Some(EXIT_DONE));
        drop(self.base);
        self.log
    }
}

fn greeting(stream: &mut TcpStream) -> String {
    let mut heard = [0; BANNER.len()];
    stream.read_exact(&mut heard).unwrap();
    String::from_utf8_lossy(&heard).into()
}

#[test]
fn fifty_visitors_are_served_while_one_holds_all_connections_that_it_can() {
    let running = Running::start(Protocol::Tcp);
    let greedy = Ipv4Addr::new(127, 0, 1, 1);
    let mut held: Vec<_> = (0..256).map(|_| running.visit(greedy)).collect();
    // The last of them is connected, so all earlier ones were accepted; they keep sending.
    assert_eq!(greeting(&mut held[255]), BANNER);
    for stream in &mut held {
        let _ = stream.write(b"x");
    }
    for of in 0..50 {
        let mut visitor = running.visit(Ipv4Addr::new(127, 0, 2, of));
        assert_eq!(greeting(&mut visitor), BANNER, "visitor {of}");
    }
    let log = running.end();
    let contacts = log.contacts();
    let connected = |from: Ipv4Addr| {
        let lines = contacts.iter().filter(|line| line.event == ContactEvent::Connect);
        lines.filter(|line| line.remote_addr == from).count()
    };
    assert!((0..50).all(|of| connected(Ipv4Addr::new(127, 0, 2, of)) == 1));
    let displaced: Vec<_> = contacts
        .iter()
        .filter(|line| line.reason == Some(EndReason::Displaced))
        .collect();
    assert!(displaced.iter().all(|line| line.remote_addr == greedy), "{displaced:?}");
    assert!(!displaced.is_empty());
    let counted: u64 = log.summaries().iter().map(|summary| summary.connections).sum();
    assert_eq!(connected(greedy) as u64 + counted, 256);
}

#[test]
fn visitors_are_served_while_many_sources_hold_all_connections() {
    let running = Running::start(Protocol::Tcp);
    let held = (0..256).map(|of| {
        let mut stream = running.visit(Ipv4Addr::new(127, 0, 3, u8::try_from(of / 8).unwrap()));
        greeting(&mut stream);
        stream
    });
    let held: Vec<_> = held.collect();
    let mut visitor = running.visit(Ipv4Addr::new(127, 0, 4, 1));
    assert_eq!(greeting(&mut visitor), BANNER);
    drop(held);
    let log = running.end();
    let reason = |reason| {
        let ended = log
            .contacts()
            .into_iter()
            .filter(move |line| line.reason == Some(reason));
        ended.collect::<Vec<_>>()
    };
    let displaced = reason(EndReason::Displaced);
    assert_eq!(displaced.len(), 1, "{displaced:?}");
    assert_eq!(displaced[0].remote_addr, Ipv4Addr::new(127, 0, 3, 0));
}

#[test]
fn a_connection_has_a_line_for_its_start_and_one_for_its_end() {
    let running = Running::start(Protocol::Tcp);
    let mut visitor = running.visit(Ipv4Addr::new(127, 0, 5, 1));
    greeting(&mut visitor);
    // A connection that is open when the service is killed has this line.
    let open = running.log.contacts();
    assert_eq!(open.len(), 1);
    assert_eq!(
        (open[0].event, open[0].bytes, open[0].reason),
        (ContactEvent::Connect, 0, None)
    );
    visitor.write_all(b"hello").unwrap();
    drop(visitor);
    // A stop signal is handled first, so the end of the first connection must be logged before.
    while running.log.contacts().len() < 2 {
        thread::yield_now();
    }
    let mut other = running.visit(Ipv4Addr::new(127, 0, 5, 2));
    greeting(&mut other);
    let contacts = running.end().contacts();
    let ended: Vec<_> = contacts.iter().filter(|line| line.event == ContactEvent::End).collect();
    assert_eq!(contacts.len(), 4, "{contacts:?}");
    let of_first = ended.iter().find(|line| line.id == open[0].id).expect("its end");
    assert_eq!((of_first.bytes, of_first.remote_port), (5, open[0].remote_port));
    assert!(of_first.duration_ms.is_some() && of_first.reason.is_some());
    let of_other = ended.iter().find(|line| line.id != open[0].id).expect("its end");
    assert_eq!(of_other.reason, Some(EndReason::Stopped));
}

#[test]
fn a_service_whose_base_ends_continues_with_the_sockets_of_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let port = free();
    let listen = vec![Listen {
        port,
        protocol: Protocol::Tcp,
    }];
    let state = ServiceState {
        decky: "web".into(),
        service: "ssh".into(),
        listen: listen.clone(),
        banner: Some(BANNER.into()),
    };
    let supplier = Supplier {
        path: path.clone(),
        ports: listen,
    };
    let log = Log::default();
    let mut responder = Responder::new(state, Limits::default(), Box::new(log.clone()));
    let (stop_end, mut stop) = UnixStream::pair().unwrap();
    // The service starts before its base.
    let thread = thread::spawn(move || responder.run(&supplier, &stop_end));
    let visit = || loop {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
        match &mut stream {
            Ok(stream) => {
                assert_eq!(greeting(stream), BANNER);
                return stream.try_clone().unwrap();
            }
            Err(_) => thread::yield_now(),
        }
    };
    let first = Base::start(&path);
    let mut visitor = visit();
    drop(first);
    // Connections and ports of the old namespace end.
    assert!(!matches!(visitor.read(&mut [0]), Ok(1..)));
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    let reasons = log.contacts().into_iter().filter_map(|line| line.reason);
    assert_eq!(reasons.collect::<Vec<_>>(), [EndReason::Broken]);

    let _second = Base::start(&path);
    visit();
    stop.write_all(b"x").unwrap();
    assert_eq!(thread.join().unwrap(), EXIT_DONE);
}

#[test]
fn an_answer_has_at_most_twice_the_size_of_the_request() {
    let running = Running::start(Protocol::Udp);
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.connect((Ipv4Addr::LOCALHOST, running.port)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let ask = |question: &[u8]| {
        socket.send(question).unwrap();
        let mut answer = [0; 1024];
        let length = socket.recv(&mut answer).unwrap();
        answer[..length].to_vec()
    };
    // An empty datagram has no answer, so the next answer is for the one after it.
    socket.send(b"").unwrap();
    assert_eq!(ask(b"x"), &BANNER.as_bytes()[..2]);
    assert_eq!(ask(&[0; 15]), &BANNER.as_bytes()[..30]);
    assert_eq!(ask(&[0; 100]), BANNER.as_bytes());
    let bytes: Vec<_> = running.end().contacts().iter().map(|line| line.bytes).collect();
    assert_eq!(bytes, [0, 1, 15, 100]);
}
