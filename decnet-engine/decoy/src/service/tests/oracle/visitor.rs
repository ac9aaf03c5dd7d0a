//! A visitor of a real server or of a service.

use std::{
    fmt,
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, TcpStream},
    time::Duration,
};

/// What a visitor does.
#[derive(Clone, Copy)]
pub(super) enum Step<'a> {
    /// Sends bytes that have an answer.
    Say(&'a [u8]),
    /// Sends bytes that have no answer, or none before the next ones.
    Part(&'a [u8]),
    /// Ends its bytes.
    Finish,
}

impl<'a> Step<'a> {
    pub(super) fn bytes(self) -> &'a [u8] {
        match self {
            Self::Say(bytes) | Self::Part(bytes) => bytes,
            Self::Finish => b"",
        }
    }
}

impl fmt::Debug for Step<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Say(_) => "say",
            Self::Part(_) => "part",
            Self::Finish => "finish",
        };
        let bytes = self.bytes();
        write!(f, "{name} {}", bytes[..bytes.len().min(100)].escape_ascii())
    }
}

/// What a server answers to a step.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) bytes: Vec<u8>,
    pub(super) is_closed: bool,
}

/// How long a server that has an answer may take, and how long it says nothing before it is taken to wait.
const LONGEST: Duration = Duration::from_secs(10);
const QUIET: Duration = Duration::from_millis(200);

/// Holds a conversation, and returns the greeting and the answers.
pub(super) fn converse(port: u16, greets: bool, steps: &[Step]) -> Vec<Answer> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut answers = vec![hear(&mut stream, if greets { LONGEST } else { QUIET })];
    for step in steps {
        let first = match step {
            Step::Say(_) | Step::Finish => LONGEST,
            Step::Part(_) => QUIET,
        };
        if answers.last().is_some_and(|answer| answer.is_closed) {
            break;
        }
        // The server may have closed the connection.
        match step {
            Step::Say(bytes) | Step::Part(bytes) => drop(stream.write_all(bytes)),
            Step::Finish => drop(stream.shutdown(std::net::Shutdown::Write)),
        }
        answers.push(hear(&mut stream, first));
    }
    answers
}

/// Reads until the server is quiet or closes the connection. `first` is how long its first byte may take.
fn hear(stream: &mut TcpStream, first: Duration) -> Answer {
    let mut answer = Answer::default();
    let mut piece = [0; 4096];
    let mut timeout = first;
    loop {
        stream.set_read_timeout(Some(timeout)).unwrap();
        match stream.read(&mut piece) {
            Ok(0) => answer.is_closed = true,
            Ok(count) => {
                answer.bytes.extend_from_slice(&piece[..count]);
                timeout = QUIET;
                continue;
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => answer.is_closed = true,
        }
        return answer;
    }
}
