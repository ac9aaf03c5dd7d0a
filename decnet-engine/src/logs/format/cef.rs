//! Lines of the `ArcSight` Common Event Format, version 0.

use std::fmt::Write as _;

use decnet_topology::shown;
use jiff::Timestamp;

use super::{
    ecs,
    fields::{self, Fields},
    level::Level,
};
use crate::logs::LogItem;

/// The keys of values by their path. A value without a key has its path as key: `DecnetHash` for `decnet.hash`.
pub(super) const KEYS: [(&str, &str); 23] = [
    ("event.id", "externalId"),
    ("event.action", "act"),
    ("event.outcome", "outcome"),
    ("source.ip", "src"),
    ("source.port", "spt"),
    ("decnet.from", "shost"),
    ("destination.ip", "dst"),
    ("destination.port", "dpt"),
    ("host.name", "dvchost"),
    ("network.transport", "proto"),
    ("service.name", "app"),
    ("user.name", "suser"),
    ("user.domain", "sntdom"),
    ("url.original", "request"),
    ("http.request.method", "requestMethod"),
    ("user_agent.original", "requestClientApplication"),
    ("file.name", "fname"),
    ("file.size", "fsize"),
    ("file.hash.sha256", "fileHash"),
    ("decnet.bytes", "in"),
    ("decnet.reason", "reason"),
    ("error.message", "reason"),
    ("message", "msg"),
];

/// The paths with a custom key, and the label of that key.
pub(super) const LABELLED: [(&str, &str, &str); 8] = [
    ("decnet.session", "cs1", "session"),
    ("process.command_line", "cs2", "command"),
    ("decnet.password", "cs3", "password"),
    ("decnet.fingerprint", "cs4", "fingerprint"),
    ("threat.technique.id", "cs5", "technique"),
    ("decnet.maze", "cs6", "maze"),
    ("event.sequence", "cn1", "sequence"),
    ("http.response.status_code", "cn2", "status"),
];

pub(super) fn line(item: &LogItem, now: Timestamp) -> String {
    let mut fields = Fields::of(item, now);
    let action = fields
        .get("event.action")
        .map_or_else(|| "text".to_owned(), fields::text);
    let mut line = format!(
        "CEF:0|DECNET|DECNET|{}|{}|{}|{}|rt={}",
        header(env!("CARGO_PKG_VERSION")),
        header(&action),
        header(name(&action)),
        Level::of(item).number(),
        ecs::at(item, now).as_millisecond(),
    );
    for (path, key) in KEYS {
        put(&mut line, key, fields.take_text(path));
    }
    for (path, key, label) in LABELLED {
        let value = fields.take_text(path);
        let label = value.is_some().then(|| label.to_owned());
        put(&mut line, key, value);
        put(&mut line, &format!("{key}Label"), label);
    }
    for (path, value) in fields.rest() {
        put(&mut line, &custom_key(&path), Some(fields::text(&value)));
    }
    line
}

/// Returns the name of an event for people.
fn name(action: &str) -> &'static str {
    match action {
        "session.open" => "Session opened",
        "session.close" => "Session closed",
        "auth.attempt" => "Login attempt",
        "command" => "Command",
        "request" => "Request",
        "file" => "File transfer",
        "client.fingerprint" => "Client fingerprint",
        "probe" => "Probe",
        "containment.drop" => "Packets were dropped",
        "summary" => "Summary of contacts",
        "lines.dropped" => "Lines were dropped",
        "log.unreadable" => "Log cannot be read",
        "runtime.disconnected" => "Runtime does not answer",
        "runtime.connected" => "Runtime answers again",
        _ => "Line of a program",
    }
}

/// Returns the key of a path without one: letters and digits with the prefix `Decnet`.
pub(super) fn custom_key(path: &str) -> String {
    let mut key = String::from("Decnet");
    for word in path.split(['.', '_']).filter(|word| *word != "decnet") {
        let mut letters = word.chars().filter(char::is_ascii_alphanumeric);
        key.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        key.extend(letters);
    }
    key
}

fn put(line: &mut String, key: &str, value: Option<String>) {
    if let Some(value) = value {
        // Writing to memory does not fail.
        let _ = write!(line, " {key}={}", extension(&value));
    }
}

/// Escapes a value of the header.
fn header(text: &str) -> String {
    shown::one_line(text).replace('\\', "\\\\").replace('|', "\\|")
}

/// Escapes a value of the extension. Line ends have escapes of the format, and other invisible characters those of Rust.
fn extension(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => escaped.push_str("\\\\"),
            '=' => escaped.push_str("\\="),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            hidden if shown::is_hidden(hidden) => {
                escaped.push('\\');
                escaped.extend(hidden.escape_default());
            }
            character => escaped.push(character),
        }
    }
    escaped
}
