//! Services of one process that are added and removed by `docker exec`.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpStream},
    time::Duration,
};

use decnet_decoy::protocol::{Action, BuiltinService, EndReason, Listen, Protocol, Record, ServiceList, ServiceState};
use serde_json::json;

use super::lab::{Done, Lab, eventually, leaf, own_service};

const NET: &str = "10.201.40";

/// A decky whose only process serves `own` on port 80.
struct Decky {
    lab: Lab,
}

fn listen(port: u16) -> Listen {
    Listen {
        port,
        protocol: Protocol::Tcp,
    }
}

fn addition(name: &str, port: u16) -> String {
    let service = BuiltinService {
        name: name.into(),
        listen: vec![listen(port)],
        fields: [("banner".to_owned(), json!("hello\r\n"))].into_iter().collect(),
    };
    serde_json::to_string(&service).unwrap()
}

impl Decky {
    fn new(name: &str) -> Self {
        let lab = Lab::new(name);
        lab.inner("a", &format!("{NET}.0/24"));
        lab.base("one", &leaf(&[&address()], &[]), &[("a", &address())]);
        lab.settled("one");
        lab.service("web", "one", &own_service("one", vec![listen(80)], Some("hello\r\n")));
        let decky = Self { lab };
        eventually("the service answers", || decky.greets(80));
        decky
    }

    fn connect(&self, port: u16) -> Option<TcpStream> {
        self.lab.inside("one", move || {
            TcpStream::connect_timeout(&(ip(), port).into(), Duration::from_secs(2)).ok()
        })
    }

    fn greets(&self, port: u16) -> bool {
        self.connect(port).is_some_and(|mut stream| is_greeted(&mut stream))
    }

    /// Runs a command in the container of the service, as its user.
    fn command(&self, arguments: &[&str]) -> Done {
        self.lab.exec("web", &[&["service"], arguments].concat())
    }

    fn succeeds(&self, arguments: &[&str]) -> String {
        let done = self.command(arguments);
        assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{arguments:?}");
        done.stdout
    }

    fn refuses(&self, arguments: &[&str], code: i32, reason: &str) {
        let done = self.command(arguments);
        assert_eq!(
            (done.code, done.stdout.as_str()),
            (code, ""),
            "{arguments:?}: {}",
            done.stderr
        );
        assert!(done.stderr.contains(reason), "{arguments:?}: {}", done.stderr);
    }

    fn names(&self) -> Vec<String> {
        let list: ServiceList = serde_json::from_str(&self.succeeds(&["list"])).unwrap();
        list.services.into_iter().map(|service| service.name).collect()
    }

    fn of(&self, action: Action) -> Vec<Record> {
        let records = self.lab.records("web").into_iter();
        records.filter(|record| record.event.action == action).collect()
    }

    /// Sends input over an open connection, which must be logged.
    fn goes_on(&self, stream: &mut TcpStream, input: &str) {
        stream.write_all(input.as_bytes()).unwrap();
        eventually("the input is logged", || {
            let probes = self.of(Action::Probe);
            probes.iter().any(|probe| probe.decnet.input.as_deref() == Some(input))
        });
    }
}

fn address() -> String {
    format!("{NET}.5")
}

fn ip() -> Ipv4Addr {
    address().parse().unwrap()
}

fn is_greeted(stream: &mut TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut banner = [0; 7];
    stream.read_exact(&mut banner).is_ok() && &banner == b"hello\r\n"
}

#[test]
#[ignore = "needs Docker"]
fn adding_and_removing_a_service_leaves_an_open_session_of_its_sibling_alone() {
    let decky = Decky::new("added");
    let started = || decky.lab.inspect("web", "{{.State.StartedAt}} {{.RestartCount}}");
    let before = started();
    let mut sibling = decky.connect(80).unwrap();
    assert!(is_greeted(&mut sibling));
    assert!(!decky.greets(81));

    assert_eq!(decky.succeeds(&["add", &addition("other", 81)]), "");
    assert_eq!(decky.names(), ["other", "own"]);
    let mut visitor = decky.connect(81).unwrap();
    assert!(is_greeted(&mut visitor));
    decky.goes_on(&mut sibling, "after the addition");

    assert_eq!(decky.succeeds(&["remove", "other"]), "");
    assert_eq!(decky.names(), ["own"]);
    assert!(!matches!(visitor.read(&mut [0]), Ok(1..)), "its session ended");
    let is_of_other = |record: &Record| record.service.as_ref().is_some_and(|service| service.name == "other");
    let session = visitor_session(&decky, is_of_other);
    eventually("its end is logged", || {
        decky.of(Action::SessionClose).iter().any(|record| {
            is_of_other(record) && record.decnet.session == session && record.decnet.reason == Some(EndReason::Stopped)
        })
    });
    assert!(decky.connect(81).is_none(), "the port is closed");
    decky.goes_on(&mut sibling, "after the removal");

    // The port is free, for another container of the decky too.
    let third: ServiceState = own_service("one", vec![listen(81)], Some("hello\r\n"));
    decky.lab.service("third", "one", &third);
    eventually("another container has the port", || decky.greets(81));
    let is_open = sibling.shutdown(Shutdown::Write).is_ok();
    assert!(is_open);
    assert_eq!(started(), before);
}

/// Returns the session of the last conversation with a service.
fn visitor_session(decky: &Decky, is_of_service: impl Fn(&Record) -> bool) -> Option<String> {
    let mut opened = decky.of(Action::SessionOpen).into_iter();
    opened.rfind(is_of_service).and_then(|record| record.decnet.session)
}

#[test]
#[ignore = "needs Docker"]
fn wrong_requests_are_refused_and_change_nothing() {
    let decky = Decky::new("refused");
    decky
        .lab
        .service("second", "one", &own_service("one", vec![listen(82)], None));
    eventually("the other container has its port", || decky.connect(82).is_some());
    let mut sibling = decky.connect(80).unwrap();
    assert!(is_greeted(&mut sibling));

    decky.refuses(&["add", "{"], 2, "the JSON is not a service");
    decky.refuses(&["add", r#"{"name":"x","listen":[]}"#], 2, "the list of ports is empty");
    decky.refuses(&["add", &addition("x", 0)], 2, "0 is not a valid port");
    decky.refuses(&["add", &addition("own", 83)], 1, "a service has this name already");
    decky.refuses(&["add", &addition("x", 80)], 1, "another service has this port");
    decky.refuses(&["add", &addition("x", 82)], 1, "port 82/tcp cannot be bound");
    decky.refuses(&["remove", "x"], 1, "no service has this name");
    decky.refuses(&["list", "x"], 2, "unknown command");
    assert_eq!(decky.names(), ["own"]);
    decky.goes_on(&mut sibling, "after the refusals");

    // No process serves in a base, and from there the one of the service cannot be reached.
    let elsewhere = decky.lab.exec("one", &["service", "list"]);
    assert_eq!(elsewhere.code, 1);
    assert!(
        elsewhere.stderr.contains("no process of this container serves"),
        "{}",
        elsewhere.stderr
    );
}
