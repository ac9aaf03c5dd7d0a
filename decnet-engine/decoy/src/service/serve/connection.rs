//! One TCP connection.

use std::{io, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::spawn_blocking,
    time::{sleep, timeout},
};

use super::{conversation::Conversation, stream::Counted};
use crate::{
    protocol::EndReason,
    service::{
        dialogue::{Dialogue, Input, Next, Transfer, Turn},
        registry::Protocol,
        ssh,
        stream::Stream,
        tls::{self, Opening},
    },
};

/// Talks to a visitor until one of them ends the connection.
pub(super) async fn converse(stream: TcpStream, protocol: &Protocol, conversation: &Arc<Conversation>) -> EndReason {
    let context = &conversation.context;
    // Answers are small, and a visitor waits for them.
    let _ = stream.set_nodelay(true);
    let stream = Counted::new(stream, Arc::clone(conversation));
    let Some(dialogue) = protocol.start(context) else {
        let report = {
            let conversation = Arc::clone(conversation);
            move |event| conversation.report(event)
        };
        return ssh::converse(stream, context.clone(), report).await;
    };
    let connection = Connection {
        stream: Box::new(stream),
        dialogue,
        conversation,
        input: Input::default(),
        silence: conversation.shared.limits.silence,
        data: None,
        waiting: 0,
        is_over: false,
    };
    let starts_with_tls = protocol.tls_ports.contains(&context.session.port);
    connection.run(starts_with_tls).await.unwrap_or_else(|reason| reason)
}

/// A connection with its dialogue.
struct Connection<'a> {
    stream: Box<dyn Stream>,
    dialogue: Box<dyn Dialogue>,
    conversation: &'a Arc<Conversation>,
    input: Input,
    silence: Duration,
    /// The socket for the second connection.
    data: Option<TcpListener>,
    /// The size of the input that the dialogue could not use without more bytes.
    waiting: usize,
    /// Whether the dialogue knows that the conversation ends.
    is_over: bool,
}

/// A conversation that ends before its dialogue knows, because of a limit or a reset, still reports an incomplete message.
impl Drop for Connection<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            let mut turn = Turn::new(Timestamp::now());
            self.dialogue.finish(&mut self.input, &mut turn);
            for event in turn.events {
                self.conversation.report(event);
            }
        }
    }
}

impl Connection<'_> {
    /// Runs to the end. Errors are ends that no step of the dialogue led to.
    async fn run(mut self, starts_with_tls: bool) -> Result<EndReason, EndReason> {
        if starts_with_tls && !self.secure(Vec::new()).await? {
            return Ok(EndReason::Ended);
        }
        let mut next = self.turn(|dialogue, _, turn| dialogue.open(turn)).await?;
        loop {
            next = match next {
                Next::Continue => match self.read().await? {
                    Some(next) => next,
                    None => return Ok(EndReason::Closed),
                },
                Next::Close => {
                    self.is_over = true;
                    self.say_goodbye().await;
                    return Ok(EndReason::Ended);
                }
                Next::StartTls => {
                    let read = self.input.take_all();
                    if !self.secure(read).await? {
                        return Ok(EndReason::Ended);
                    }
                    Next::Continue
                }
                Next::OpenPort => {
                    let port = self.open_port().await;
                    self.turn(|dialogue, _, turn| dialogue.port_opened(port, turn)).await?
                }
                Next::Transfer(transfer) => {
                    let is_done = self.transfer(transfer).await.is_some();
                    self.turn(|dialogue, _, turn| dialogue.transferred(is_done, turn))
                        .await?
                }
            };
        }
    }

    /// Reads input and passes it to the dialogue. Returns none after the end of the input.
    async fn read(&mut self) -> Result<Option<Next>, EndReason> {
        // What is left of pipelined input before a step that is done now, or of a turn with a long answer.
        let left = self.input.bytes().len();
        if left > 0 && left != self.waiting {
            let next = self.turn(|dialogue, input, turn| dialogue.receive(input, turn)).await?;
            self.waiting = self.input.bytes().len();
            if next != Next::Continue || self.waiting < left {
                self.waiting = 0;
                return Ok(Some(next));
            }
        }
        let mut buffer = [0; 4096];
        let Ok(read) = timeout(self.silence, self.stream.read(&mut buffer)).await else {
            self.turn(|dialogue, _, turn| dialogue.expire(turn)).await?;
            self.say_goodbye().await;
            return Err(EndReason::Idle);
        };
        let count = read.map_err(|error| reason(&error))?;
        if count == 0 {
            self.is_over = true;
            self.turn(|dialogue, input, turn| dialogue.finish(input, turn)).await?;
            self.say_goodbye().await;
            return Ok(None);
        }
        self.input.push(&buffer[..count]);
        let before = self.input.bytes().len();
        let next = self.turn(|dialogue, input, turn| dialogue.receive(input, turn)).await?;
        // Without progress, another call with the same bytes would only cost time.
        self.waiting = if self.input.bytes().len() == before { before } else { 0 };
        if self.input.bytes().len() > Input::MOST {
            return Err(EndReason::Size);
        }
        Ok(Some(next))
    }

    /// Makes one turn: reports its events and sends its bytes.
    async fn turn(&mut self, act: impl FnOnce(&mut dyn Dialogue, &mut Input, &mut Turn)) -> Result<Next, EndReason> {
        let mut turn = Turn::new(Timestamp::now());
        act(&mut *self.dialogue, &mut self.input, &mut turn);
        for event in turn.events {
            self.conversation.report(event);
        }
        self.silence = turn.silence.unwrap_or(self.silence);
        if !turn.pause.is_zero() {
            sleep(turn.pause).await;
        }
        let bytes = std::mem::take(&mut turn.sent).concat();
        if !bytes.is_empty() {
            let sending = async {
                self.stream.write_all(&bytes).await?;
                self.stream.flush().await
            };
            let sent = timeout(self.conversation.shared.limits.step, sending).await;
            sent.unwrap_or(Err(io::ErrorKind::TimedOut.into()))
                .map_err(|error| reason(&error))?;
        }
        Ok(turn.next)
    }

    /// Makes a TLS handshake as the server. Returns false if the visitor does not speak TLS.
    async fn secure(&mut self, read: Vec<u8>) -> Result<bool, EndReason> {
        let step = self.conversation.shared.limits.step;
        let opening = timeout(step, tls::opening(&mut *self.stream, read)).await;
        let hello = match opening.map_err(|_| EndReason::Idle)? {
            Ok(Opening::Hello(hello)) => hello,
            Ok(Opening::Other(read)) if read.is_empty() => {
                self.is_over = true;
                return Ok(false);
            }
            Ok(Opening::Other(read)) => {
                self.is_over = true;
                self.input.push(&read);
                self.turn(|dialogue, input, turn| dialogue.unsecured(input, turn))
                    .await?;
                self.say_goodbye().await;
                return Ok(false);
            }
            Err(error) => return Err(reason(&error)),
        };
        if let Some(fingerprint) = tls::fingerprint(&hello) {
            self.conversation.report(fingerprint);
        }
        let shared = &self.conversation.shared;
        let config = shared.tls.of(&self.conversation.context).map_err(|error| {
            let service = &self.conversation.context.service.name;
            shared.complain("no certificate", &format!("{service}: {error}"));
            EndReason::Broken
        })?;
        let plain = std::mem::replace(&mut self.stream, Box::new(tokio::io::empty()));
        let accepted = timeout(step, tls::accept(config, plain, hello)).await;
        self.stream = accepted.map_err(|_| EndReason::Idle)?.map_err(|error| reason(&error))?;
        self.turn(|dialogue, _, turn| dialogue.secured(turn)).await?;
        Ok(true)
    }

    /// Opens a port for a second connection, and returns its number.
    async fn open_port(&mut self) -> Option<u16> {
        let shared = Arc::clone(&self.conversation.shared);
        let opened = spawn_blocking(move || shared.supplier.open_port()).await.ok()?.ok()?;
        let listener = TcpListener::from_std(opened).ok()?;
        let port = listener.local_addr().ok()?.port();
        self.data = Some(listener);
        Some(port)
    }

    /// Moves bytes over the second connection, which must come from the visitor's address. Returns none if it does not come, or
    /// does not take all bytes.
    async fn transfer(&mut self, transfer: Transfer) -> Option<()> {
        let listener = self.data.take()?;
        let limits = &self.conversation.shared.limits;
        let visitor = self.conversation.context.session.remote;
        let accept = async {
            loop {
                let (stream, from) = listener.accept().await?;
                if from.ip() == *visitor.ip() {
                    return Ok::<_, io::Error>(stream);
                }
            }
        };
        let mut stream = timeout(limits.step, accept).await.ok()?.ok()?;
        match transfer {
            Transfer::Send(bytes) => {
                let sending = async {
                    stream.write_all(&bytes).await?;
                    stream.shutdown().await
                };
                timeout(limits.step, sending).await.ok()?.ok()?;
            }
            Transfer::Receive(most) => {
                let mut buffer = [0; 4096];
                let mut left = most;
                // An upload that stops is as long as what arrived of it.
                while left > 0 {
                    let read = timeout(limits.silence, stream.read(&mut buffer)).await;
                    let count = read.unwrap_or(Ok(0)).unwrap_or(0);
                    if count == 0 || !self.conversation.count(count) {
                        break;
                    }
                    let taken = count.min(left);
                    self.dialogue.received(&buffer[..taken]);
                    left -= taken;
                }
            }
        }
        Some(())
    }

    /// Closes the connection so that the last answer arrives: bytes of the visitor that nobody reads would reset it.
    async fn say_goodbye(&mut self) {
        let limits = &self.conversation.shared.limits;
        let rest = async {
            self.stream.shutdown().await?;
            let mut buffer = [0; 4096];
            while self.stream.read(&mut buffer).await? > 0 {}
            Ok::<_, io::Error>(())
        };
        // The connection ends in any case.
        let _ = timeout(limits.linger, rest).await;
    }
}

fn reason(error: &io::Error) -> EndReason {
    match error.kind() {
        io::ErrorKind::FileTooLarge => EndReason::Size,
        io::ErrorKind::TimedOut => EndReason::Idle,
        _ => EndReason::Broken,
    }
}
