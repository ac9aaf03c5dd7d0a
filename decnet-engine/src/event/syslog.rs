//! Events as lines for a log: RFC 5424.
//!
//! What came, went or changed is written, its values as structured data: `topology` and the event's own fields, in the element
//! `decnet@32473`. Steps and health are not for logs of this kind.
//!
//! A line is one line whatever the values hold: quotes, backslashes and brackets are escaped as the RFC says (section 6.3.3), and
//! control characters and others that show nothing, which it would let through, are written as `#` and three octal digits a byte, as rsyslog writes them.

use std::{collections::BTreeSet, fmt::Write as _};

use decnet_topology::{ServiceName, Status, shown};
use syslog_fmt::{
    Facility, Severity,
    v5424::{Config, Formatter, Timestamp},
};

use super::{DeckyEvent, Envelope, Event, MutationStage};

/// The name of the structured data. The number is the one that RFC 5612 sets aside for documentation: DECNET has none of its own.
const ELEMENT: &str = "decnet@32473";

/// The longest names that the header may hold: section 6 of the RFC.
const LONGEST_HOST: usize = 255;
const LONGEST_PROCESS: usize = 128;

/// Writes events as lines.
#[derive(Debug, Clone)]
pub struct SyslogWriter(Formatter);

impl SyslogWriter {
    /// Takes what this host and this process are called.
    ///
    /// What is no visible ASCII in them is replaced by `_`, and what is too long is cut off.
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

    /// Writes an event as one line, without its line feed; none for those that are not written.
    pub fn line(&self, envelope: &Envelope) -> Option<String> {
        let entry = Entry::of(&envelope.event)?;
        let mut values = vec![("event", envelope.id.to_string())];
        values.extend(entry.values);
        let values: Vec<(&str, String)> = values.into_iter().map(|(name, value)| (name, tame(&value))).collect();
        let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        // At most six digits of a second's fraction: section 6.2.3.
        let at = envelope.at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
        let message = tame(&entry.message);
        let mut line = Vec::new();
        let written = self.0.write_with_data(
            &mut line,
            entry.severity,
            Timestamp::PreformattedString(at),
            // As it stands: a message that is written as a text begins with a byte order mark.
            format_args!("{message}"),
            Some(entry.kind),
            [(ELEMENT, values)],
        );
        // Memory takes whatever is written to it, and what is written is text.
        written.ok().and_then(|()| String::from_utf8(line).ok())
    }
}

/// What is written of an event.
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
            _ => None,
        }
    }
}

fn list(services: &BTreeSet<ServiceName>) -> String {
    let services: Vec<&str> = services.iter().map(ServiceName::as_str).collect();
    services.join(",")
}

/// Writes what shows nothing of its own in digits, so that nothing ends where it should not, turns around or hides.
fn tame(text: &str) -> String {
    let mut tamed = String::with_capacity(text.len());
    for character in text.chars() {
        if shown::is_hidden(character) {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                // Memory takes whatever is written to it.
                let _ = write!(tamed, "#{byte:03o}");
            }
        } else {
            tamed.push(character);
        }
    }
    tamed
}

/// Makes a field of the header: visible ASCII, not too long, and not empty.
fn field(text: &str, longest: usize) -> String {
    let visible = |character: char| if character.is_ascii_graphic() { character } else { '_' };
    let field: String = text.chars().map(visible).take(longest).collect();
    if field.is_empty() { "-".into() } else { field }
}

#[cfg(test)]
mod tests;
