//! The part of a conversation that all servers share: one answer after the other.

use jiff::Timestamp;

use super::{Fault, Read, Reader, Request, report};
use crate::service::{
    dialogue::{Input, Turn},
    event::Event,
};

/// A server.
pub(crate) trait Server {
    /// Returns the reader of its connection.
    fn reader(&mut self) -> &mut Reader;

    /// Answers a request and reports it.
    fn answer(&mut self, request: &Request, turn: &mut Turn);

    /// Returns whether the connection speaks another protocol from now on.
    fn has_switched(&self) -> bool {
        false
    }

    /// Returns the answer to a request that cannot be read, and its status. The connection closes after it.
    fn refusal(&self, fault: Fault, request: &Request, now: Timestamp) -> (u16, Vec<u8>);
}

/// Answers the requests in the input.
pub(crate) fn serve(server: &mut impl Server, input: &mut Input, turn: &mut Turn) {
    while !turn.is_over() && !server.has_switched() {
        match server.reader().next(input) {
            Read::Incomplete => return,
            Read::Expects => turn.send("HTTP/1.1 100 Continue\r\n\r\n"),
            Read::Request(request) => server.answer(&request, turn),
            Read::Fault(fault, request) => {
                let (status, answer) = server.refusal(fault, &request, turn.now());
                report_wrong(&request, status, input, turn);
                turn.send(answer);
                turn.close();
            }
        }
    }
}

/// Reports what a visitor left when it closed the connection.
pub(crate) fn finish(server: &mut impl Server, input: &mut Input, turn: &mut Turn) {
    if let Some(request) = server.reader().unfinished() {
        report(&request, 400, false, turn);
    } else if !input.bytes().is_empty() {
        turn.report(Event::probe("request that is not complete", input.bytes()));
    }
}

/// Reports a request that cannot be read.
pub(crate) fn report_wrong(request: &Request, status: u16, input: &Input, turn: &mut Turn) {
    if request.method.is_empty() {
        turn.report(Event::probe("not this protocol", input.bytes()));
    } else {
        report(request, status, false, turn);
    }
}
