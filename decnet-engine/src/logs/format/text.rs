//! Lines for people.

use decnet_decoy::protocol::{Action, Outcome, Record};
use decnet_topology::shown;
use serde::Serialize;

use super::escape;
use crate::logs::{LogContent, LogEntry, LogItem};

/// How much of a value is shown.
const LONGEST: usize = 200;

pub(super) fn line(item: &LogItem) -> String {
    let line = match item {
        LogItem::Entry(entry) => entry_line(entry),
        _ => message(item),
    };
    shown::one_line(&line).into_owned()
}

/// Returns what happened, without the time and the place.
pub(super) fn message(item: &LogItem) -> String {
    match item {
        LogItem::Entry(entry) => match &entry.content {
            LogContent::Record(record) => record_message(entry, record, " "),
            LogContent::Json { message, .. } => cut(&escape::json(message)),
            LogContent::Text { message, .. } => cut(message),
        },
        LogItem::Dropped {
            container,
            service,
            lines,
        } => format!("{container}: {lines} lines of {service} were dropped by Docker before they were read"),
        LogItem::Unreadable { container, reason } => format!("{container}: the log cannot be read: {reason}"),
        LogItem::Disconnected { reason } => format!("disconnected: {reason}; trying again every second"),
        LogItem::Connected {} => "connected again".into(),
    }
}

fn entry_line(entry: &LogEntry) -> String {
    let place = match (&entry.maze, &entry.service) {
        (Some(maze), Some(service)) => format!("{maze}/{}/{service}", entry.decky),
        (Some(maze), None) => format!("{maze}/{}", entry.decky),
        (None, Some(service)) => format!("{}/{service}", entry.decky),
        (None, None) => entry.decky.to_string(),
    };
    let at = entry.at.strftime("%Y-%m-%d %H:%M:%S%.3fZ");
    match &entry.content {
        LogContent::Record(record) => format!("{at}  {place}  {}", record_message(entry, record, "  ")),
        LogContent::Json { message, .. } => format!("{at}  {place}  {}", cut(&escape::json(message))),
        LogContent::Text { message, .. } => format!("{at}  {place}  {}", cut(message)),
    }
}

fn record_message(entry: &LogEntry, record: &Record, gap: &str) -> String {
    let (visitor, action) = (visitor(entry, record), word(&record.event.action));
    let details = details(record).join(" ");
    format!("{visitor}{gap}{action} {details}").trim_end().to_owned()
}

/// Returns the decky that the visitor came from, or the address.
fn visitor(entry: &LogEntry, record: &Record) -> String {
    match (&entry.from, record.source.and_then(|source| source.ip)) {
        (Some(from), Some(address)) => format!("{from} ({address})"),
        (None, Some(address)) => address.to_string(),
        (_, None) => "-".into(),
    }
}

/// Describes what the visitor did.
fn details(record: &Record) -> Vec<String> {
    let own = &record.decnet;
    let mut words: Vec<String> = Vec::new();
    let mut put = |word: &str| words.push(cut(word));
    match record.event.action {
        Action::SessionOpen => {}
        Action::SessionClose => {
            put(&word(&own.reason));
            put(&format!("{} bytes", own.bytes.unwrap_or_default()));
            if let Some(nanoseconds) = record.event.duration {
                put(&format!(
                    "{:.1} s",
                    std::time::Duration::from_nanos(nanoseconds).as_secs_f64()
                ));
            }
        }
        Action::AuthAttempt => {
            let user = record.user.clone().unwrap_or_default();
            let domain = user.domain.map(|domain| format!("{domain}\\")).unwrap_or_default();
            put(&format!("{domain}{}", user.name.unwrap_or_else(|| "-".into())));
            for secret in [&own.password, &own.hash, &own.fingerprint].into_iter().flatten() {
                put(secret);
            }
            put(match record.event.outcome {
                Some(Outcome::Success) => "succeeded",
                _ => "failed",
            });
        }
        Action::Command => put(record.process.as_ref().map_or("", |process| &process.command_line)),
        Action::Request => {
            if let (Some(http), Some(url)) = (&record.http, &record.url) {
                put(&http.request.method);
                put(&url.original);
                if let Some(response) = http.response {
                    put(&response.status_code.to_string());
                }
            }
            for word in [&own.operation, &own.target, &own.data].into_iter().flatten() {
                put(word);
            }
        }
        Action::File => {
            put(own.direction.as_deref().unwrap_or_default());
            if let Some(file) = &record.file {
                put(&file.name);
                put(&format!("{} bytes", file.size));
            }
        }
        Action::ClientFingerprint => {
            let ja4 = record.tls.as_ref().map(|tls| tls.client.ja4.as_str());
            for word in [own.method.as_deref(), own.fingerprint.as_deref(), ja4]
                .into_iter()
                .flatten()
            {
                put(word);
            }
        }
        Action::Probe => {
            for word in [&own.probe, &own.input].into_iter().flatten() {
                put(word);
            }
        }
        Action::ContainmentDrop => {
            if let Some(target) = record.destination {
                let address = target.ip.map(|ip| ip.to_string()).unwrap_or_default();
                let port = target.port.map(|port| format!(":{port}")).unwrap_or_default();
                put(&format!("to {address}{port}"));
            }
            put(&format!("{} packets", own.packets.unwrap_or_default()));
        }
        _ => {
            if let Some(summary) = &own.summary {
                put(&format!("{} connections", summary.connections));
                put(&format!("{} datagrams", summary.datagrams));
            }
        }
    }
    for (action, count) in &own.left_out {
        put(&format!("({count} of {} left out)", word(action)));
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Returns the word of a value on the wire.
fn word(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

fn cut(text: &str) -> String {
    if text.chars().count() > LONGEST {
        let start: String = text.chars().take(LONGEST).collect();
        format!("{start}…")
    } else {
        text.into()
    }
}
