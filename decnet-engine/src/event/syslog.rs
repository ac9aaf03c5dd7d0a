//! Events as log lines in the format of RFC 5424.

use std::collections::BTreeSet;

use decnet_topology::{ServiceName, Status};
use syslog_fmt::Severity;

use super::{AttackerAction, AttackerEvent, DeckyEvent, Envelope, Event, MutationStage};
use crate::syslog::Message;

/// Writes events as lines.
///
/// A line is written for each change of a status, mutation or decky, and for what attackers do. Its values are structured data in the element
/// `decnet@32473`: `topology` and the fields of the event. Steps and health have no lines.
///
/// An event is always one line, whatever its values contain. Quotes, backslashes and brackets are escaped as in section 6.3.3
/// of the RFC. Control characters and other invisible characters, which the RFC allows, are written like rsyslog does: `#` and
/// three octal digits per byte.
#[derive(Debug, Clone)]
pub struct SyslogWriter {
    host: String,
    process: String,
}

impl SyslogWriter {
    /// Creates a writer with the names of this host and process.
    ///
    /// Characters that are not visible ASCII are replaced by `_`, and names that are too long are cut off.
    pub fn new(host: &str, process: &str) -> Self {
        Self {
            host: host.into(),
            process: process.into(),
        }
    }

    /// Returns the line of an event without a line feed. Returns none if the event has no line.
    pub fn line(&self, envelope: &Envelope) -> Option<String> {
        self.named_line(envelope, None)
    }

    /// Returns the line of an event as [`line`](Self::line) does, with the name of its maze in the text and as the value `maze`.
    pub fn named_line(&self, envelope: &Envelope, maze: Option<&str>) -> Option<String> {
        let entry = Entry::of(&envelope.event, maze)?;
        let mut values = vec![("event", envelope.id.to_string())];
        values.extend(entry.values);
        values.extend(maze.map(|maze| ("maze", maze.to_owned())));
        let message = Message {
            severity: entry.severity,
            at: envelope.at,
            host: &self.host,
            program: "decnet",
            process: Some(&self.process),
            kind: entry.kind,
            values: values.into_iter().map(|(name, value)| (name.into(), value)).collect(),
            text: &entry.message,
        };
        Some(message.line())
    }
}

/// The content of a line.
struct Entry {
    kind: &'static str,
    severity: Severity,
    values: Vec<(&'static str, String)>,
    message: String,
}

impl Entry {
    fn of(event: &Event, maze: Option<&str>) -> Option<Self> {
        match event {
            Event::Decky(DeckyEvent {
                topology,
                decky,
                old_services,
                new_services,
                trigger,
            }) => Some(Self {
                kind: "decky",
                severity: Severity::Notice,
                message: format!("decky {decky}: {trigger}"),
                values: vec![
                    ("topology", topology.to_string()),
                    ("decky", decky.to_string()),
                    ("old_services", list(old_services)),
                    ("new_services", list(new_services)),
                    ("trigger", trigger.to_string()),
                ],
            }),
            Event::Status {
                topology,
                from,
                to,
                reason,
            } => {
                let mut values = vec![("topology", topology.to_string())];
                values.extend(from.map(|from| ("from", from.to_string())));
                values.push(("to", to.to_string()));
                values.extend(reason.clone().map(|reason| ("reason", reason)));
                Some(Self {
                    kind: "status",
                    severity: match to {
                        Status::Failed => Severity::Err,
                        Status::Degraded => Severity::Warning,
                        _ => Severity::Notice,
                    },
                    message: match maze {
                        Some(maze) => format!("maze {maze} is {to}"),
                        None => format!("the maze is {to}"),
                    },
                    values,
                })
            }
            Event::Mutation {
                topology,
                mutation,
                op,
                state,
                actor,
                reason,
            } => {
                let mut values = vec![
                    ("topology", topology.to_string()),
                    ("mutation", mutation.get().to_string()),
                    ("op", op.clone()),
                    ("state", state.as_str().into()),
                ];
                values.extend(actor.clone().map(|actor| ("actor", actor)));
                values.extend(reason.clone().map(|reason| ("reason", reason)));
                Some(Self {
                    kind: "mutation",
                    severity: match state {
                        MutationStage::Failed => Severity::Err,
                        MutationStage::Rejected => Severity::Warning,
                        _ => Severity::Notice,
                    },
                    message: format!("mutation {mutation} is {}", state.as_str()),
                    values,
                })
            }
            Event::Edited { topology, version } => Some(Self {
                kind: "edited",
                severity: Severity::Notice,
                message: format!("the maze was edited: version {version}"),
                values: vec![("topology", topology.to_string()), ("version", version.to_string())],
            }),
            Event::Deleted { topology } => Some(Self {
                kind: "deleted",
                severity: Severity::Notice,
                message: "the maze was deleted".into(),
                values: vec![("topology", topology.to_string())],
            }),
            Event::Attacker(event) => Some(Self::attacker(event)),
            _ => None,
        }
    }

    fn attacker(event: &AttackerEvent) -> Self {
        let AttackerEvent {
            topology,
            origin,
            decky,
            service,
            entry,
            action,
        } = event;
        let mut values = vec![
            ("topology", topology.to_string()),
            ("origin", origin.to_string()),
            ("decky", decky.to_string()),
        ];
        values.extend(service.as_ref().map(|service| ("service", service.to_string())));
        values.push(("action", action.as_str().into()));
        match action {
            AttackerAction::SessionStarted { session } | AttackerAction::SessionEnded { session } => {
                values.push(("session", session.clone()));
            }
            AttackerAction::Moved { path } => {
                let path: Vec<String> = path.iter().map(ToString::to_string).collect();
                values.push(("path", path.join(",")));
            }
            AttackerAction::Observed => {}
        }
        values.push(("entry", entry.clone()));
        Self {
            kind: "attacker",
            severity: Severity::Warning,
            message: event.describe(),
            values,
        }
    }
}

fn list(services: &BTreeSet<ServiceName>) -> String {
    let services: Vec<&str> = services.iter().map(ServiceName::as_str).collect();
    services.join(",")
}

#[cfg(test)]
mod tests;
