//! Services that are added and removed while others are served.

use std::{
    fmt::Debug,
    os::{linux::net::SocketAddrExt as _, unix::net::SocketAddr},
    path::PathBuf,
    sync::atomic::{AtomicU32, Ordering},
    time::Instant,
};

use super::*;
use crate::service::control::{Answer, Refusal, Request, ask, listen};

/// Longer than any step takes.
const LONG: Duration = Duration::from_secs(20);

/// A process with the service `own`, which can be changed.
pub(super) struct Process {
    pub(super) port: u16,
    pub(super) log: Log,
    control: SocketAddr,
    stop: UnixStream,
    thread: Option<JoinHandle<u8>>,
    base: Option<Base>,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Process {
    fn start() -> Self {
        let port = free();
        Self::with(&state(vec![tcp(port)]), port)
    }

    pub(super) fn with(state: &ServiceState, port: u16) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let name = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let control = SocketAddr::from_abstract_name(name).unwrap();
        let base = Base::start(&path);
        let log = Log::default();
        let (out, supplier) = (Box::new(log.clone()), Supplier::new(path.clone()));
        let mut server = Server::new(state, supplier, Limits::default(), out).unwrap_or_else(|_| panic!("a server"));
        server.controlled_by(listen(&control).unwrap());
        let (stop_end, stop) = UnixStream::pair().unwrap();
        let thread = thread::spawn(move || server.run(&stop_end).unwrap_or(EXIT_FAILED));
        Self {
            port,
            log,
            control,
            stop,
            thread: Some(thread),
            base: Some(base),
            path,
            _folder: folder,
        }
    }

    fn ask(&self, request: &Request) -> Answer {
        ask(&self.control, request, LONG).unwrap_or_else(|failure| panic!("{}", failure.cause))
    }

    fn add(&self, name: &str, port: u16) -> Answer {
        self.ask(&Request::Add(service(name, vec![tcp(port)])))
    }

    fn remove(&self, name: &str) -> Answer {
        self.ask(&Request::Remove(name.into()))
    }

    /// Returns the names of the services.
    fn names(&self) -> Vec<String> {
        match self.ask(&Request::List) {
            Answer::Services(list) => list.services.into_iter().map(|service| service.name).collect(),
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop.write_all(b"x").unwrap();
        let ended = self.thread.take().unwrap().join();
        // A second panic would hide the first.
        assert!(thread::panicking() || matches!(ended, Ok(EXIT_DONE)));
    }
}

pub(super) fn tcp(port: u16) -> Listen {
    Listen {
        port,
        protocol: Protocol::Tcp,
    }
}

fn service(name: &str, listen: Vec<Listen>) -> BuiltinService {
    BuiltinService {
        name: name.into(),
        ..state(listen).services.remove(0)
    }
}

/// Connects when the port is open, and returns the greeted visitor.
fn greeted(port: u16) -> TcpStream {
    let mut stream = connected(port);
    assert_eq!(greeting(&mut stream), BANNER);
    stream
}

/// Connects when the port is open.
pub(super) fn connected(port: u16) -> TcpStream {
    let deadline = Instant::now() + LONG;
    loop {
        match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            Ok(stream) => {
                stream.set_read_timeout(Some(LONG)).unwrap();
                return stream;
            }
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// Waits for a value.
fn eventually<T: Debug>(what: &str, mut value: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LONG;
    loop {
        if let Some(value) = value() {
            return value;
        }
        assert!(Instant::now() < deadline, "timeout: {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Returns whether a conversation goes on: its input is logged.
fn goes_on(process: &Process, stream: &mut TcpStream, input: &str) {
    stream.write_all(input.as_bytes()).unwrap();
    eventually("the input is logged", || {
        let probes = process.log.of(Action::Probe).into_iter();
        let mut inputs = probes.filter_map(|record| record.decnet.input);
        inputs.find(|logged| logged.contains(input))
    });
}

#[test]
fn a_service_is_added_and_removed_and_a_session_of_its_sibling_goes_on() {
    let process = Process::start();
    let mut sibling = greeted(process.port);
    let port = free();
    assert_eq!(process.add("other", port), Answer::Done);
    assert_eq!(process.names(), ["other", "own"]);
    let mut visitor = greeted(port);
    goes_on(&process, &mut sibling, "after the addition");

    assert_eq!(process.remove("other"), Answer::Done);
    assert_eq!(process.names(), ["own"]);
    assert!(!matches!(visitor.read(&mut [0]), Ok(1..)), "its session ended");
    let ends = process.log.of(Action::SessionClose);
    assert_eq!(ends.len(), 1, "{ends:?}");
    let name = ends[0].service.as_ref().map(|service| service.name.as_str());
    assert_eq!((name, ends[0].decnet.reason), (Some("other"), Some(EndReason::Stopped)));
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect_err("the port is closed");
    goes_on(&process, &mut sibling, "after the removal");

    // Its port and its name are free.
    assert_eq!(process.add("other", port), Answer::Done);
    greeted(port);
}

#[test]
fn datagrams_are_answered_by_an_added_service_until_it_is_removed() {
    let process = Process::start();
    let port = {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
        socket.local_addr().unwrap().port()
    };
    let udp = Listen {
        port,
        protocol: Protocol::Udp,
    };
    assert_eq!(process.ask(&Request::Add(service("other", vec![udp]))), Answer::Done);
    let visitor = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    visitor.set_read_timeout(Some(LONG)).unwrap();
    visitor.connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    visitor.send(b"hello").unwrap();
    let mut answer = [0; 64];
    assert_eq!(visitor.recv(&mut answer).unwrap(), 10);

    assert_eq!(process.remove("other"), Answer::Done);
    let ends = process.log.of(Action::SessionClose);
    assert_eq!(ends[0].decnet.reason, Some(EndReason::Stopped));
    // A socket of another process may have had the port for a moment.
    let is_free = || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok();
    let tries = 50;
    assert!(
        (0..tries).any(|_| is_free() || {
            std::thread::sleep(LONG / tries);
            false
        }),
        "the port is free"
    );
}

#[test]
fn a_refused_request_changes_nothing() {
    let process = Process::start();
    let mut sibling = greeted(process.port);
    let held = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let taken = held.local_addr().unwrap().port();
    let refusal = |answer| match answer {
        Answer::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    };
    let name = process.add("own", free());
    assert_eq!(refusal(name), Refusal::NameTaken("own".into()));
    let port = process.add("other", process.port);
    assert_eq!(
        refusal(port),
        Refusal::PortTaken(format!("port {} of own", process.port))
    );
    assert_eq!(refusal(process.remove("other")), Refusal::Unknown("other".into()));
    let both = service("other", vec![tcp(free()), tcp(taken)]);
    let base = refusal(process.ask(&Request::Add(both)));
    assert!(
        matches!(&base, Refusal::Base(reason) if reason.contains(&taken.to_string())),
        "{base:?}"
    );
    for listen in [vec![], vec![tcp(0)]] {
        let malformed = refusal(process.ask(&Request::Add(service("other", listen))));
        assert!(matches!(malformed, Refusal::Malformed(_)), "{malformed:?}");
    }
    assert_eq!(process.names(), ["own"]);
    goes_on(&process, &mut sibling, "after the refusals");
    // What was refused for its port can be added when the port is free.
    drop(held);
    assert_eq!(process.add("other", taken), Answer::Done);
}

#[test]
fn the_next_base_serves_what_was_added() {
    let mut process = Process::start();
    let port = free();
    greeted(process.port);
    assert_eq!(process.add("other", port), Answer::Done);
    process.base = None;
    eventually("the ports are closed", || {
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err().then_some(())
    });
    // Without a base, nobody answers.
    let failure = ask(&process.control, &Request::List, Duration::from_millis(200)).unwrap_err();
    assert_eq!(failure.code, EXIT_FAILED);
    process.base = Some(Base::start(&process.path));
    greeted(port);
    greeted(process.port);
    assert_eq!(process.names(), ["other", "own"]);
}

#[test]
fn a_command_that_sends_nothing_or_nonsense_does_not_matter_to_the_next() {
    let process = Process::start();
    greeted(process.port);
    let silent = UnixStream::connect_addr(&process.control).unwrap();
    drop(UnixStream::connect_addr(&process.control).unwrap());
    let mut foreign = UnixStream::connect_addr(&process.control).unwrap();
    foreign.write_all(b"hello\n").unwrap();
    let mut answer = String::new();
    foreign.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("malformed"), "{answer}");
    let mut endless = UnixStream::connect_addr(&process.control).unwrap();
    // The process closes it when it is too long.
    let _ = endless.write_all(&vec![b'x'; 1 << 20]);
    assert_eq!(process.names(), ["own"]);
    drop(silent);
}

#[test]
fn services_with_the_same_name_or_port_are_refused_at_the_start() {
    for (second, context) in [
        (service("own", vec![tcp(81)]), "two services have the same name"),
        (service("other", vec![tcp(80)]), "two services have the same port"),
    ] {
        let mut state = state(vec![tcp(80)]);
        state.services.push(second);
        let supplier = Supplier::new(PathBuf::new());
        let server = Server::new(&state, supplier, Limits::default(), Box::new(io::sink()));
        let failure = server.err().expect("a fault");
        assert_eq!((failure.context, failure.code), (context, crate::protocol::EXIT_USAGE));
    }
}
