//! The private channel over which the services of a running process are changed.
//!
//! The process listens on an abstract Unix socket. The kernel has a separate list of these names for each network namespace, and a
//! built-in service has a namespace of its own, so only processes in its container reach the socket. It needs no file, so the
//! root can be read-only. A request and its answer are one line of JSON each.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    os::{
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixListener, UnixStream},
    },
    process::ExitCode,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{
    failure::Failure,
    lines::print_line,
    protocol::{BuiltinService, EXIT_DONE, ServiceList},
};

/// The name of the socket. It does not reveal this project.
const NAME: &[u8] = b"services";

/// How long a command waits for the answer: longer than a base may take to pass the sockets.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The maximum size of a request. The kernel limits an argument of a command to 128 KiB.
pub(super) const REQUEST_BYTES: usize = 256 * 1024;

/// A request to a running process.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Request {
    Add(BuiltinService),
    /// Remove the service with this name.
    Remove(String),
    List,
}

/// The answer.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answer {
    Done,
    Services(ServiceList),
    Refused(Refusal),
}

/// The reason why a request was refused. Nothing was changed.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Refusal {
    /// No service has this name.
    Unknown(String),
    /// A service has this name already.
    NameTaken(String),
    /// A service of this process has this port already.
    PortTaken(String),
    /// The base did not provide the sockets, with its reason.
    Base(String),
    /// The request cannot be read.
    Malformed(String),
}

impl Refusal {
    fn into_failure(self) -> Failure {
        match self {
            Self::Unknown(name) => Failure::new("no service has this name", name),
            Self::NameTaken(name) => Failure::new("a service has this name already", name),
            Self::PortTaken(port) => Failure::new("another service has this port", port),
            Self::Base(reason) => Failure::new("the base provides no sockets", reason),
            Self::Malformed(reason) => Failure::usage("the request cannot be read", reason),
        }
    }
}

/// Returns the address of the socket.
pub(super) fn address() -> Result<SocketAddr, Failure> {
    SocketAddr::from_abstract_name(NAME).map_err(|error| Failure::new("the socket has no valid name", error))
}

/// Listens for requests.
pub(super) fn listen(address: &SocketAddr) -> io::Result<UnixListener> {
    let listener = UnixListener::bind_addr(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Adds a service to the running process of this container.
pub(crate) fn add(json: &str) -> Result<ExitCode, Failure> {
    let service = parse(json)?;
    done(ask(&address()?, &Request::Add(service), TIMEOUT)?)
}

/// Removes a service from the running process of this container.
pub(crate) fn remove(name: &str) -> Result<ExitCode, Failure> {
    done(ask(&address()?, &Request::Remove(name.into()), TIMEOUT)?)
}

/// Prints the services of the running process of this container.
pub(crate) fn list() -> Result<ExitCode, Failure> {
    match ask(&address()?, &Request::List, TIMEOUT)? {
        Answer::Services(services) => print_line(&services),
        answer => return done(answer),
    }
    Ok(ExitCode::from(EXIT_DONE))
}

/// Reads and checks a service.
fn parse(json: &str) -> Result<BuiltinService, Failure> {
    let service: BuiltinService =
        serde_json::from_str(json).map_err(|error| Failure::usage("the JSON is not a service", error))?;
    match fault(&service) {
        Some(fault) => Err(Failure::usage("the service cannot be added", fault)),
        None => Ok(service),
    }
}

/// Returns why a service can never be served.
pub(super) fn fault(service: &BuiltinService) -> Option<String> {
    if service.name.is_empty() {
        return Some("the name is empty".into());
    }
    if service.listen.is_empty() {
        return Some("the list of ports is empty".into());
    }
    if service.listen.iter().any(|listen| listen.port == 0) {
        return Some("0 is not a valid port".into());
    }
    let repeated = |(at, listen)| service.listen[..at].contains(listen);
    let twice = service.listen.iter().enumerate().find(|port| repeated(*port));
    twice.map(|(_, listen)| format!("port {} is there twice", listen.port))
}

fn done(answer: Answer) -> Result<ExitCode, Failure> {
    match answer {
        Answer::Done => Ok(ExitCode::from(EXIT_DONE)),
        Answer::Refused(refusal) => Err(refusal.into_failure()),
        Answer::Services(_) => Err(unanswered("unexpected answer")),
    }
}

/// Sends a request and returns the answer.
pub(super) fn ask(address: &SocketAddr, request: &Request, timeout: Duration) -> Result<Answer, Failure> {
    let asked = || -> io::Result<Answer> {
        let mut process = UnixStream::connect_addr(address)?;
        process.set_read_timeout(Some(timeout))?;
        process.set_write_timeout(Some(timeout))?;
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        process.write_all(&line)?;
        let mut answer = String::new();
        BufReader::new(process).read_line(&mut answer)?;
        if answer.is_empty() {
            return Err(io::Error::other("the process ended, or its base did"));
        }
        Ok(serde_json::from_str(&answer)?)
    };
    asked().map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused => unanswered("no process of this container serves"),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            unanswered("no answer in time; while the base does not run, nothing can be changed")
        }
        _ => unanswered(error),
    })
}

fn unanswered(cause: impl Into<Box<dyn std::error::Error>>) -> Failure {
    Failure::new("the request was not answered", cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{EXIT_FAILED, EXIT_USAGE};

    #[test]
    fn a_service_that_can_never_be_served_is_a_usage_error() {
        let listen = r#"[{"port":80,"protocol":"tcp"}]"#;
        for (json, cause) in [
            ("{".to_owned(), "EOF"),
            (r#"{"name":"http"}"#.into(), "listen"),
            (format!(r#"{{"name":"http","listen":{listen},"colour":1}}"#), "colour"),
            (
                r#"{"name":"http","listen":[{"port":70000,"protocol":"tcp"}]}"#.into(),
                "70000",
            ),
            (
                r#"{"name":"http","listen":[{"port":80,"protocol":"sctp"}]}"#.into(),
                "sctp",
            ),
            (format!(r#"{{"name":"","listen":{listen}}}"#), "name is empty"),
            (r#"{"name":"http","listen":[]}"#.into(), "list of ports is empty"),
            (
                r#"{"name":"http","listen":[{"port":0,"protocol":"tcp"}]}"#.into(),
                "0 is not",
            ),
            (
                r#"{"name":"http","listen":[{"port":80,"protocol":"tcp"},{"port":80,"protocol":"tcp"}]}"#.into(),
                "port 80 is there twice",
            ),
        ] {
            let failure = parse(&json).expect_err("a fault");
            assert_eq!(failure.code, EXIT_USAGE, "{json}");
            assert!(failure.cause.contains(cause), "{json}: {}", failure.cause);
        }
        let both = r#"{"name":"dns","listen":[{"port":53,"protocol":"tcp"},{"port":53,"protocol":"udp"}]}"#;
        assert!(parse(both).is_ok(), "the same number over both transports");
    }

    #[test]
    fn a_request_without_an_answer_fails() {
        let name = |of: &str| SocketAddr::from_abstract_name(format!("{of}-{}", std::process::id())).unwrap();
        let nobody = name("nobody");
        let short = Duration::from_millis(20);
        let failure = ask(&nobody, &Request::List, short).unwrap_err();
        assert_eq!(
            (failure.code, failure.cause.as_str()),
            (EXIT_FAILED, "no process of this container serves")
        );
        // The kernel accepts the connection, and nobody reads.
        let silent = name("silent");
        let _listener = listen(&silent).unwrap();
        let failure = ask(&silent, &Request::List, short).unwrap_err();
        assert_eq!(failure.code, EXIT_FAILED);
        assert!(failure.cause.contains("no answer in time"), "{}", failure.cause);
    }
}
