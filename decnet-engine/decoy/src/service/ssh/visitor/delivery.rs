//! What the programs of a connection send and report, from their start to their end.

use russh::{ChannelId, Error, server::Session};

use super::{
    super::program::{Program, Sent},
    Visitor,
};
use crate::service::event::Event;

/// The bytes that the sessions of one connection may send.
const MOST_SENT: usize = 1024 * 1024;

/// The bytes that may wait in memory until the visitor takes them, if more follow.
const MOST_WAITING: usize = 64 * 1024;

impl<R: Fn(Event)> Visitor<R> {
    /// Starts a shell, or one command.
    pub(super) fn start(&mut self, id: ChannelId, command: Option<&[u8]>, session: &mut Session) -> Result<(), Error> {
        let Some(program @ None) = self.channels.get_mut(&id) else {
            return session.channel_failure(id);
        };
        session.channel_success(id)?;
        let terminal = self.terminals.get(&id).map(String::as_str);
        let mut started = Program::new(&self.host, &self.user, self.context.session.remote, terminal);
        let sent = match command {
            Some(line) => started.run_command(line),
            None => started.greet(),
        };
        *program = Some(started);
        self.deliver(id, sent, session)
    }

    /// Sends what a program writes, and reports what it received.
    pub(super) fn deliver(&mut self, id: ChannelId, sent: Sent, session: &mut Session) -> Result<(), Error> {
        for event in sent.events {
            (self.report)(event);
        }
        let size = sent.output.len().saturating_add(sent.errors.len());
        if size > 0 {
            self.count(size, session)?;
        }
        if !sent.output.is_empty() {
            session.data(id, sent.output)?;
        }
        if !sent.errors.is_empty() {
            session.extended_data(id, 1, sent.errors)?;
        }
        if session.has_pending_data(id) {
            let waiting = self.waiting.entry(id).or_default();
            *waiting = waiting.saturating_add(size);
        }
        if let Some(status) = sent.exit {
            session.exit_status_request(id, status)?;
            session.eof(id)?;
            session.close(id)?;
            self.forget(id);
        }
        Ok(())
    }

    /// Counts bytes before they are sent. Fails if there are too many, or if the visitor does not take the earlier ones.
    fn count(&mut self, size: usize, session: &Session) -> Result<(), Error> {
        self.sent = self.sent.saturating_add(size);
        // The library keeps what waits on a channel even after the end of its program.
        self.waiting.retain(|id, _| session.has_pending_data(*id));
        let waiting: usize = self.waiting.values().sum();
        if self.sent > MOST_SENT || waiting > MOST_WAITING {
            return Err(Error::Disconnect);
        }
        Ok(())
    }

    /// Ends the program of a channel, and reports what it still had.
    pub(super) fn end(&mut self, id: ChannelId) {
        if let Some(Some(program)) = self.channels.get_mut(&id) {
            for event in program.finish().events {
                (self.report)(event);
            }
        }
        self.forget(id);
    }

    fn forget(&mut self, id: ChannelId) {
        self.channels.remove(&id);
        self.terminals.remove(&id);
    }
}

impl<R: Fn(Event)> Drop for Visitor<R> {
    /// Ends all programs. The visitor may have left in the middle of a file.
    fn drop(&mut self) {
        while let Some(id) = self.channels.keys().next().copied() {
            self.end(id);
        }
    }
}
