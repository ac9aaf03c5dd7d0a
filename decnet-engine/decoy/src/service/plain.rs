//! A service of a catalogue of the user's own: it sends its banner and reports what it gets.

use super::{
    context::Context,
    dialogue::{Dialogue, Input, Turn},
    event::Event,
};
use crate::protocol::Protocol;

/// Sends the banner to each visitor.
struct Plain {
    banner: String,
    is_datagram: bool,
}

/// Creates the conversation.
pub(super) fn new(context: &Context) -> Box<dyn Dialogue> {
    Box::new(Plain {
        banner: context.fields().text("banner").unwrap_or_default().to_owned(),
        is_datagram: context.session.transport == Protocol::Udp,
    })
}

impl Dialogue for Plain {
    fn open(&mut self, turn: &mut Turn) {
        if !self.banner.is_empty() {
            turn.send(self.banner.as_bytes());
        }
    }

    fn receive(&mut self, input: &mut Input, turn: &mut Turn) {
        let received = input.take_all();
        turn.report(Event::probe("input", &received));
        if self.is_datagram {
            turn.send(answer_of(&self.banner, received.len()));
        }
    }
}

/// Returns as much of a banner as may answer a datagram: twice its size, so that forged senders gain little.
pub(super) fn answer_of(banner: &str, received: usize) -> &[u8] {
    &banner.as_bytes()[..banner.len().min(2 * received)]
}
