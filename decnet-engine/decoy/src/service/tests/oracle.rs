//! The services answer as the servers of Debian that they imitate.
//!
//! `scripts/servers-up` unpacks these servers. Each test starts one on a loopback port, as a user without rights and with its own
//! folder, and holds the same conversations with it and with the service. Without the servers, or without root, a test is
//! skipped, and says so.

mod bind;
mod mosquitto;
mod postfix;
mod postgres;
mod real;
mod redis;
mod ssh;
mod transfers;
mod visitor;
mod vsftpd;

use std::thread;

use serde_json::{Value, json};

use self::{
    real::Real,
    visitor::{Answer, Step, converse},
};
use super::{Running, service};
use crate::{protocol::Protocol, service::scanners::Probe};

/// What a test compares.
struct Comparison<'a> {
    service: &'a str,
    fields: Value,
    /// Whether the server speaks first.
    greets: bool,
    /// How many conversations are held at once: one if the real server remembers them.
    at_once: usize,
    /// Hides what may be different: versions, challenges, times.
    mask: fn(&[u8]) -> String,
    /// Messages that are answered differently on purpose, and the reason.
    on_purpose: &'a [(&'a [u8], &'a str)],
}

impl Comparison<'_> {
    /// Holds conversations with the real server and with the service, and compares the answers.
    fn check(&self, real: &Real, conversations: &[&[Step]]) {
        let own = Running::serve(service(self.service, Vec::new(), self.fields.clone()), Protocol::Tcp);
        let mut differences = Vec::new();
        for conversations in conversations.chunks(self.at_once) {
            thread::scope(|scope| {
                let held = conversations.iter().map(|steps| {
                    let at = |port| scope.spawn(move || converse(port, self.greets, steps));
                    (*steps, at(real.port), at(own.port))
                });
                let held: Vec<_> = held.collect();
                for (steps, theirs, ours) in held {
                    let (theirs, ours) = (theirs.join().unwrap(), ours.join().unwrap());
                    differences.extend(self.difference(steps, &theirs, &ours));
                }
            });
        }
        own.end();
        assert!(
            differences.is_empty(),
            "{} of {}:\n{}",
            differences.len(),
            self.service,
            differences.join("\n")
        );
    }

    /// Returns the first difference in a conversation. After one on purpose, the rest is not compared.
    fn difference(&self, steps: &[Step], theirs: &[Answer], ours: &[Answer]) -> Option<String> {
        for at in 0..theirs.len().max(ours.len()) {
            let step = at.checked_sub(1).map(|at| steps[at]);
            let shown = |answers: &[Answer]| {
                answers
                    .get(at)
                    .map_or_else(|| "(none)".into(), |answer| self.shown(answer))
            };
            let (their, our) = (shown(theirs), shown(ours));
            let sent = step.map_or(&b""[..], |step| step.bytes());
            match self
                .on_purpose
                .iter()
                .find(|(message, _)| *message == sent && !sent.is_empty())
            {
                Some((_, reason)) if their == our => {
                    return Some(format!("{step:?} is not different any more: {reason}"));
                }
                Some(_) => return None,
                None if their == our => {}
                None => return Some(format!("{step:?}\n      real: {their}\n      ours: {our}")),
            }
        }
        None
    }

    fn shown(&self, answer: &Answer) -> String {
        let text = (self.mask)(&answer.bytes);
        if answer.is_closed {
            format!("{text} (closed)")
        } else {
            text
        }
    }
}

/// Shows bytes as text, with escapes for those that are not text.
fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// Probes that the real server answers as a honeypot would: the reason in `probes.toml` is right.
fn finds_the_real_server(real: &Real) {
    for probe in Probe::all().iter().filter(|probe| probe.genuine.is_some()) {
        let messages = probe.messages(b"");
        let steps: Vec<Step> = messages.iter().map(|message| Step::Part(message)).collect();
        let answers: Vec<u8> = converse(real.port, true, &steps)
            .into_iter()
            .flat_map(|answer| answer.bytes)
            .collect();
        assert!(probe.marks(&answers), "{}: {}", probe.source, text(&answers));
    }
}
