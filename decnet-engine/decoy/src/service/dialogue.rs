//! Conversations with visitors: bytes in; bytes, events and the next step out. They have no socket and no clock.

use std::time::Duration;

use jiff::Timestamp;

use super::event::Event;

/// A conversation with one visitor: over a connection, or the datagrams of one source.
///
/// A dialogue never blocks and keeps little memory. For a datagram, [`Input`] is exactly one datagram, and each
/// [`Turn::send`] is one datagram.
pub(crate) trait Dialogue: Send {
    /// Starts the conversation. Protocols in which the server speaks first send their greeting here. It is not called for
    /// datagrams.
    fn open(&mut self, turn: &mut Turn) {
        let _ = turn;
    }

    /// Answers to input. It takes whole messages from `input`. What it leaves is there at the next call, with more bytes after
    /// it.
    fn receive(&mut self, input: &mut Input, turn: &mut Turn);

    /// Handles the end of the visitor's bytes. `input` is a message that is not complete. The connection closes after this
    /// turn.
    fn finish(&mut self, input: &mut Input, turn: &mut Turn) {
        let _ = (input, turn);
    }

    /// Says goodbye to a visitor who was silent for longer than [`Turn::allow_silence`]. The connection closes after this turn.
    fn expire(&mut self, turn: &mut Turn) {
        let _ = turn;
    }

    /// Continues after a TLS handshake: that of [`Turn::start_tls`], or on a port that starts with TLS, where it is called
    /// before [`open`](Self::open).
    fn secured(&mut self, turn: &mut Turn) {
        let _ = turn;
    }

    /// Answers to a visitor who does not speak TLS where a handshake must come. The connection closes after this turn.
    fn unsecured(&mut self, input: &mut Input, turn: &mut Turn) {
        turn.report(Event::probe("plain text instead of TLS", &input.take_all()));
    }

    /// Continues after [`Turn::open_port`]. `port` is none if no port is free.
    fn port_opened(&mut self, port: Option<u16>, turn: &mut Turn) {
        let _ = (port, turn);
    }

    /// Takes bytes of [`Transfer::Receive`] when they arrive: at most as many as its limit in all.
    fn received(&mut self, bytes: &[u8]) {
        let _ = bytes;
    }

    /// Continues after [`Turn::transfer`]. `is_done` is false if the visitor did not come, or did not take all bytes.
    fn transferred(&mut self, is_done: bool, turn: &mut Turn) {
        let _ = (is_done, turn);
    }
}

/// The bytes of the visitor that no dialogue took yet. Their number is limited: a message longer than [`Input::MOST`] ends the
/// connection.
#[derive(Debug, Default)]
pub(crate) struct Input {
    bytes: Vec<u8>,
}

impl Input {
    /// The maximum number of bytes that wait for the rest of their message.
    pub(crate) const MOST: usize = 64 * 1024;

    /// Returns all bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes the first `count` bytes, or all if there are fewer.
    pub(crate) fn take(&mut self, count: usize) -> Vec<u8> {
        let rest = self.bytes.split_off(count.min(self.bytes.len()));
        std::mem::replace(&mut self.bytes, rest)
    }

    /// Takes all bytes.
    pub(crate) fn take_all(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Adds bytes at the end.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }
}

impl From<&[u8]> for Input {
    fn from(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec() }
    }
}

/// What a dialogue does in answer to one input.
#[derive(Debug)]
pub(crate) struct Turn {
    now: Timestamp,
    pub(super) sent: Vec<Vec<u8>>,
    /// Whether the datagrams are sent to the group that the visitor sent to.
    pub(super) to_group: bool,
    pub(super) events: Vec<Event>,
    pub(super) pause: Duration,
    pub(super) silence: Option<Duration>,
    pub(super) next: Next,
}

/// The step after the bytes of a turn were sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// Wait for input.
    Continue,
    /// Close the connection.
    Close,
    /// Start a TLS handshake as the server.
    StartTls,
    /// Listen on a free port for one more connection of the visitor.
    OpenPort,
    /// Accept the connection on that port and move bytes over it.
    Transfer(Transfer),
}

/// A transfer over a second connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Transfer {
    /// Send these bytes and close it.
    Send(Vec<u8>),
    /// Receive until the visitor closes it, at most this many bytes.
    Receive(usize),
}

impl Turn {
    /// How many bytes a dialogue sends before it returns.
    const MOST_SENT: usize = 64 * 1024;

    /// Starts a turn at a time.
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            now,
            sent: Vec::new(),
            to_group: false,
            events: Vec::new(),
            pause: Duration::ZERO,
            silence: None,
            next: Next::Continue,
        }
    }

    /// Returns the time of the input.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Sends bytes. For datagrams, each call is one datagram.
    pub(crate) fn send(&mut self, bytes: impl Into<Vec<u8>>) {
        self.sent.push(bytes.into());
    }

    /// Sends a datagram to the multicast group that the visitor sent to, instead of to the visitor.
    pub(crate) fn send_to_group(&mut self, bytes: impl Into<Vec<u8>>) {
        self.to_group = true;
        self.send(bytes);
    }

    /// Reports an event.
    pub(crate) fn report(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Waits before the bytes of this turn are sent, as real servers do after a wrong password.
    pub(crate) fn pause(&mut self, pause: Duration) {
        self.pause = pause;
    }

    /// From now on, the visitor may be silent for this long. It is a minute at first.
    pub(crate) fn allow_silence(&mut self, silence: Duration) {
        self.silence = Some(silence);
    }

    /// Closes the connection after the bytes of this turn.
    pub(crate) fn close(&mut self) {
        self.next = Next::Close;
    }

    /// Returns whether the dialogue must return: because of the next step, or because it sent much. What it leaves of the input
    /// is passed to it again after the bytes were sent, so a small request cannot cause an answer that fills the memory.
    pub(crate) fn is_over(&self) -> bool {
        self.next != Next::Continue || self.sent.iter().map(Vec::len).sum::<usize>() >= Self::MOST_SENT
    }

    /// Returns whether the dialogue closed the connection in this turn.
    pub(crate) fn is_closed(&self) -> bool {
        self.next == Next::Close
    }

    /// Starts TLS after the bytes of this turn.
    pub(crate) fn start_tls(&mut self) {
        self.next = Next::StartTls;
    }

    /// Opens a port for a second connection of the visitor. [`Dialogue::port_opened`] gets its number.
    pub(crate) fn open_port(&mut self) {
        self.next = Next::OpenPort;
    }

    /// Moves bytes over the second connection. [`Dialogue::transferred`] is called after that.
    pub(crate) fn transfer(&mut self, transfer: Transfer) {
        self.next = Next::Transfer(transfer);
    }
}
