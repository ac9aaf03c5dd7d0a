//! A conversation with a service, without sockets and clocks, as the server holds it.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, duplex},
    runtime,
};

use super::{
    input::{PORTS, Step, pieces},
    log_line,
};
use crate::{
    journal::{Entry, Journal},
    protocol::{EndReason, Os, Protocol},
    service::{
        context::Context,
        dialogue::{Dialogue, Input, Next, Transfer, Turn},
        event::Event,
        registry::protocol,
        ssh,
    },
};

const SYSTEMS: [Os; 5] = [
    Os::Debian12,
    Os::Ubuntu2204,
    Os::WindowsServer2019,
    Os::EmbeddedLinux,
    Os::Printer,
];

/// The most bytes that one turn sends: a screen of VNC.
const MOST_SENT: usize = 4 * 1024 * 1024;

/// Lets a visitor send what the bytes say.
///
/// # Panics
///
/// If the service panics, keeps too much input, sends too much at once, does not come to an end, or writes a line of its log that
/// cannot be read.
pub fn converse(bytes: &[u8]) {
    let Some((&[port, surroundings], rest)) = bytes.split_first_chunk() else {
        return;
    };
    let context = context(port, surroundings);
    let mut pieces = pieces(rest);
    pieces.truncate(4096);
    let log = Log::default();
    let mut journal = Journal::new("web-01".into(), Box::new(log.clone()));
    let now = Instant::now();
    let entry = journal.open(&context.service.name, context.session.visit(), now);
    let mut line = Line { journal, entry, now };
    match protocol(&context.service.name).start(&context) {
        Some(dialogue) => Talk::new(&context, dialogue, &mut line).hold(&pieces),
        None => line.reports(hold_ssh(context, &pieces)),
    }
    line.journal.close(&line.entry, 0, EndReason::Closed, now);
    log.check();
}

/// The surroundings of the conversation.
fn context(port: u8, surroundings: u8) -> Context {
    let (service, port, transport) = PORTS[usize::from(port) % PORTS.len()];
    let (os, fields) = (
        SYSTEMS[usize::from(surroundings) % SYSTEMS.len()],
        usize::from(surroundings) / SYSTEMS.len() % 3,
    );
    let fields = match fields {
        0 => json!({}),
        1 => json!({"user": "bob", "password": "hunter2", "guest": true, "anonymous": true, "auth": false}),
        _ => json!({
            "password": "hunter2", "databases": "shop", "files": "config.txt", "shares": "finance\nhr", "security": "rdp",
            "zone": "corp.local", "banner": "220 ready\r\n",
        }),
    };
    let fields: Map<String, Value> = match fields {
        Value::Object(fields) => fields,
        _ => Map::default(),
    };
    let mut context = Context::example(os, service, port, transport, fields);
    context.session.group = protocol(service).group(port);
    context
}

/// The log that is written.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Checks that each line is whole.
    fn check(&self) {
        let text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            assert!(
                serde_json::from_slice::<crate::protocol::Record>(line).is_ok(),
                "a line that cannot be read: {:?}",
                String::from_utf8_lossy(line)
            );
            let text = String::from_utf8_lossy(line);
            assert!(!text.chars().any(char::is_control), "a control character in {text:?}");
            log_line(line);
        }
    }
}

/// The conversation in the log.
struct Line {
    journal: Journal,
    entry: Entry,
    now: Instant,
}

impl Line {
    fn reports(&mut self, events: Vec<Event>) {
        for event in events {
            self.journal
                .report(&mut self.entry, event.action(), self.now, |record| event.fill(record));
        }
    }
}

/// A conversation and its visitor.
struct Talk<'a> {
    dialogue: Box<dyn Dialogue>,
    line: &'a mut Line,
    input: Input,
    is_datagram: bool,
    is_tls: bool,
}

impl<'a> Talk<'a> {
    fn new(context: &Context, dialogue: Box<dyn Dialogue>, line: &'a mut Line) -> Self {
        Self {
            dialogue,
            line,
            input: Input::default(),
            is_datagram: context.session.transport == Protocol::Udp,
            is_tls: protocol(&context.service.name)
                .tls_ports
                .contains(&context.session.port),
        }
    }

    fn turn(&mut self, act: impl FnOnce(&mut dyn Dialogue, &mut Input, &mut Turn)) -> Next {
        let now = Timestamp::from_second(1_772_600_767).expect("a time of this century");
        let mut turn = Turn::new(now);
        act(&mut *self.dialogue, &mut self.input, &mut turn);
        let sent: usize = turn.sent.iter().map(Vec::len).sum();
        assert!(sent <= MOST_SENT, "{sent} bytes in one turn");
        self.line.reports(turn.events);
        turn.next
    }

    fn hold(mut self, pieces: &[(Step, &[u8])]) {
        if self.is_datagram {
            for (_, datagram) in pieces {
                self.input = Input::from(*datagram);
                self.turn(|dialogue, input, turn| dialogue.receive(input, turn));
            }
            return;
        }
        if self.is_tls {
            self.turn(|dialogue, _, turn| dialogue.secured(turn));
        }
        let next = self.turn(|dialogue, _, turn| dialogue.open(turn));
        if !self.follow(next, Step::Receive, &[]) {
            return;
        }
        for (step, piece) in pieces {
            if *step == Step::Expire {
                self.turn(|dialogue, _, turn| dialogue.expire(turn));
                return;
            }
            self.input.push(piece);
            if !self.receive(*step, piece) {
                return;
            }
            if *step == Step::Finish {
                break;
            }
        }
        self.turn(|dialogue, input, turn| dialogue.finish(input, turn));
    }

    /// Passes the input to the dialogue while it makes progress. Returns whether the conversation goes on.
    fn receive(&mut self, step: Step, piece: &[u8]) -> bool {
        loop {
            let before = self.input.bytes().len();
            let next = self.turn(|dialogue, input, turn| dialogue.receive(input, turn));
            let is_done = next == Next::Continue;
            let left = self.input.bytes().len();
            assert!(left <= before, "a dialogue added input");
            if !self.follow(next, step, piece) || self.input.bytes().len() > Input::MOST {
                return false;
            }
            // Without progress, the server waits for more.
            if self.input.bytes().is_empty() || (is_done && left == before) {
                return true;
            }
        }
    }

    /// Does the steps that a dialogue asks for. Returns whether the conversation goes on.
    fn follow(&mut self, mut next: Next, step: Step, piece: &[u8]) -> bool {
        let mut steps = 0;
        loop {
            steps += 1;
            assert!(steps < 100, "a dialogue that does not wait for its visitor");
            next = match next {
                Next::Continue => return true,
                Next::Close => return false,
                Next::StartTls if step == Step::Refuse => {
                    self.turn(|dialogue, input, turn| dialogue.unsecured(input, turn));
                    return false;
                }
                Next::StartTls => {
                    self.input.take_all();
                    self.turn(|dialogue, _, turn| dialogue.secured(turn));
                    Next::Continue
                }
                Next::OpenPort => {
                    let port = (step != Step::Refuse).then_some(50_000);
                    self.turn(|dialogue, _, turn| dialogue.port_opened(port, turn))
                }
                Next::Transfer(transfer) => {
                    let is_done = step != Step::Refuse;
                    if let (true, Transfer::Receive(most)) = (is_done, transfer) {
                        self.dialogue.received(&piece[..piece.len().min(most)]);
                    }
                    self.turn(|dialogue, _, turn| dialogue.transferred(is_done, turn))
                }
            };
        }
    }
}

/// Holds a conversation over SSH, whose library wants a stream, and returns its events.
fn hold_ssh(context: Context, pieces: &[(Step, &[u8])]) -> Vec<Event> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let (mut near, far) = duplex(64 * 1024);
        let events = Arc::new(Mutex::new(Vec::new()));
        let report = {
            let events = Arc::clone(&events);
            move |event| events.lock().unwrap_or_else(PoisonError::into_inner).push(event)
        };
        let server = tokio::spawn(ssh::converse(far, context, report));
        let mut heard = vec![0; 64 * 1024];
        for (_, piece) in pieces {
            // The server may have closed the connection.
            if near.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let _ = near.shutdown().await;
        while near.read(&mut heard).await.is_ok_and(|count| count > 0) {}
        server.await.expect("the service does not panic");
        std::mem::take(&mut *events.lock().unwrap_or_else(PoisonError::into_inner))
    })
}
