//! Events as log lines in the format of RFC 5424.

use std::{collections::BTreeSet, fmt::Write as _};

use decnet_topology::{ServiceName, Status, shown};
use syslog_fmt::{
    Facility, Severity,
    v5424::{Config, Formatter, Timestamp},
};

use super::{AttackerAction, AttackerEvent, DeckyEvent, Envelope, Event, MutationStage};

/// The name of the structured data. RFC 5612 reserves this number for documentation; DECNET has no number of its own.
pub(crate) const ELEMENT: &str = "decnet@32473";

/// The maximum lengths of the names in the header: section 6 of the RFC.
pub(crate) const LONGEST_HOST: usize = 255;
const LONGEST_PROCESS: usize = 128;

/// Writes events as lines.
///
/// A line is written for each change of a status, mutation or decky, and for what attackers do. Its values are structured data in the element
/// `decnet@32473`: `topology` and the fields of the event. Steps and health have no lines.
///
/// An event is always one line, whatever its values contain. Quotes, backslashes and brackets are escaped as in section 6.3.3
/// of the RFC. Control characters and other invisible characters, which the RFC allows, are written like rsyslog does: `#` and
/// three octal digits per byte.
#[derive(Debug, Clone)]
pub struct SyslogWriter(Formatter);

impl SyslogWriter {
    /// Creates a writer with the names of this host and process.
    ///
    /// Characters that are not visible ASCII are replaced by `_`, and names that are too long are cut off.
    pub fn new(host: &str, process: &str) -> Self {
        let (host, process) = (field(host, LONGEST_HOST), field(process, LONGEST_PROCESS));
        Self(
            Config {
                facility: Facility::Local0,
                hostname: Some(&host),
                app_name: Some("decnet"),
                proc_id: Some(&process),
            }
            .into_formatter(),
        )
    }

    /// Returns the line of an event without a line feed. Returns none if the event has no line.
    pub fn line(&self, envelope: &Envelope) -> Option<String> {
        let entry = Entry::of(&envelope.event)?;
        let mut values = vec![("event", envelope.id.to_string())];
        values.extend(entry.values);
        let values: Vec<(&str, String)> = values
            .into_iter()
            .map(|(name, value)| (name, escape_invisible(&value)))
            .collect();
        let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        // A fraction of a second has at most six digits: section 6.2.3.
        let at = envelope.at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
        let message = escape_invisible(&entry.message);
        let mut line = Vec::new();
        let written = self.0.write_with_data(
            &mut line,
            entry.severity,
            Timestamp::PreformattedString(at),
            // Written without the byte order mark that the formatter adds to a `str`.
            format_args!("{message}"),
            Some(entry.kind),
            [(ELEMENT, values)],
        );
        // Writing to memory does not fail, and the line is UTF-8.
        written.ok().and_then(|()| String::from_utf8(line).ok())
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
    fn of(event: &Event) -> Option<Self> {
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
                    message: format!("topology {topology} is {to}"),
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

/// Replaces invisible characters by digits, so that no value breaks the line, reverses the text or hides.
pub(crate) fn escape_invisible(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if shown::is_hidden(character) {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                // Writing to memory does not fail.
                let _ = write!(escaped, "#{byte:03o}");
            }
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// Makes a valid header field: visible ASCII, not too long, and not empty.
pub(crate) fn field(text: &str, longest: usize) -> String {
    let visible = |character: char| if character.is_ascii_graphic() { character } else { '_' };
    let field: String = text.chars().map(visible).take(longest).collect();
    if field.is_empty() { "-".into() } else { field }
}

#[cfg(test)]
mod tests;
