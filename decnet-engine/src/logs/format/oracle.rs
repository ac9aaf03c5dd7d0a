//! What each format must hold, whatever a container prints. The tests and the fuzzer check it with readers of their own.

use std::collections::BTreeSet;

use decnet_topology::{Name, ServiceName, shown};
use jiff::Timestamp;
use serde_json::Value;

use super::{
    LogFormat, cef, ecs,
    fields::{self, Fields},
    ocsf,
};
use crate::{
    logs::{LogContent, LogEntry, LogItem},
    naming::ContainerName,
    runtime::{LogLine, LogStream},
    syslog::escape_invisible,
};

const DECKY: &str = "web-01";
const CONTAINER: &str = "decnet-0e7a1c52-web-01.ssh";

/// Writes what a container prints in all formats, and reads it back: each is one line without invisible characters, and has the
/// values and the place of the item, and no others.
///
/// # Panics
///
/// If a line is broken, or has a field that it must not have.
pub fn log_formats(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for item in items(&text) {
        for format in [
            LogFormat::Text,
            LogFormat::Json,
            LogFormat::Ecs,
            LogFormat::Cef,
            LogFormat::Ocsf,
        ] {
            let line = format.line_at(&item, Timestamp::UNIX_EPOCH);
            assert!(!line.contains(shown::is_hidden), "{format:?}: {line:?}");
        }
        read_documents(&item);
        read_cef(&item);
        read_syslog(&item);
    }
}

/// Returns the items with a text that an intruder chose: the line of a service and of a base, and notices.
fn items(text: &str) -> Vec<LogItem> {
    let container = ContainerName::from_docker(CONTAINER);
    let mut items = vec![
        LogItem::Dropped {
            container: container.clone(),
            service: text.into(),
            lines: 3,
        },
        LogItem::Unreadable {
            container,
            reason: text.into(),
        },
        LogItem::Disconnected { reason: text.into() },
    ];
    let from = "desk-02".parse().ok();
    items.extend(entry(text, Some("ssh"), from).map(LogItem::Entry));
    items.extend(entry(text, None, None).map(LogItem::Entry));
    items
}

fn entry(text: &str, service: Option<&str>, from: Option<Name>) -> Option<LogEntry> {
    let decky: Name = DECKY.parse().ok()?;
    let line = LogLine {
        at: Timestamp::UNIX_EPOCH,
        stream: LogStream::Stderr,
        text: text.into(),
    };
    Some(LogEntry {
        id: "0123456789ab-1b3a7c-1".into(),
        at: line.at,
        topology: decnet_topology::TopologyId::nil(),
        maze: "corp".parse().ok(),
        content: LogContent::read(line, &decky),
        decky,
        service: service.map(ServiceName::new),
        container: ContainerName::from_docker(CONTAINER),
        from,
        inside: false,
    })
}

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

/// Checks the formats that are JSON.
fn read_documents(item: &LogItem) {
    let (ecs, ocsf) = (ecs::document(item, now()), ocsf::document(item, now()));
    if let LogItem::Entry(_) = item {
        assert_eq!(
            (&ecs["host"]["name"], &ecs["container"]["name"]),
            (&DECKY.into(), &CONTAINER.into())
        );
        assert_eq!(ecs["event"]["module"], "decnet");
        assert_eq!(ocsf["metadata"]["product"]["name"], "DECNET");
    }
    let json = serde_json::to_value(item).unwrap_or_default();
    for (format, document) in [(LogFormat::Json, json), (LogFormat::Ecs, ecs), (LogFormat::Ocsf, ocsf)] {
        let line = format.line_at(item, now());
        match serde_json::from_str::<Value>(&line) {
            Ok(read) => assert!(is_same(&read, &document), "{line} is not {document}"),
            // An item is some levels deeper than the object in it.
            Err(error) => assert!(error.to_string().contains("recursion limit"), "{line}: {error}"),
        }
    }
}

/// Returns whether two documents are the same, except for the last digits of numbers.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(_), Value::Number(_)) => true,
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, one)| other.get(key).is_some_and(|other| is_same(one, other)))
        }
        (one, other) => one == other,
    }
}

/// Checks that names are those of a format, and that none is there twice.
fn are_names(pairs: &[(String, String)], is_letter: fn(char) -> bool, line: &str) {
    let mut names = BTreeSet::new();
    for (name, _) in pairs {
        assert!(!name.is_empty() && name.chars().all(is_letter), "{name:?} in {line}");
        assert!(names.insert(name), "{name} is twice in {line}");
    }
}

fn read_cef(item: &LogItem) {
    let line = LogFormat::Cef.line_at(item, now());
    let (header, pairs) = split_cef(&line);
    assert_eq!(
        header[..4],
        ["CEF:0", "DECNET", "DECNET", env!("CARGO_PKG_VERSION")],
        "{line}"
    );
    assert!(header[6].parse::<u8>().is_ok_and(|severity| severity <= 10), "{line}");
    are_names(&pairs, |letter| letter.is_ascii_alphanumeric(), &line);
    let fields = Fields::of(item, now());
    for (path, key) in cef::KEYS {
        let found = pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value);
        if let Some(value) = fields.get(path) {
            assert_eq!(found, Some(&visible(&fields::text(value))), "{key} in {line}");
        } else {
            let others = cef::KEYS.iter().filter(|(_, other)| *other == key);
            let is_absent = others.into_iter().all(|(path, _)| fields.get(path).is_none());
            assert!(found.is_none() || !is_absent, "{key} in {line}");
        }
    }
}

/// Returns a text as CEF shows it.
fn visible(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars() {
        match character {
            '\n' | '\r' => shown.push(character),
            hidden if shown::is_hidden(hidden) => shown.extend(hidden.escape_default()),
            other => shown.push(other),
        }
    }
    shown
}

/// Returns the header and the extension of a line of CEF, as a collector reads them.
pub(super) fn split_cef(line: &str) -> (Vec<String>, Vec<(String, String)>) {
    let mut characters = line.chars();
    let mut header = Vec::new();
    while header.len() < 7 {
        let mut part = String::new();
        loop {
            match characters.next().expect("a header of seven parts") {
                '|' => break,
                '\\' => part.push(characters.next().expect("an escaped character")),
                character => part.push(character),
            }
        }
        header.push(part);
    }
    // A key is the word before an equals sign that is not escaped.
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut value = String::new();
    while let Some(character) = characters.next() {
        match character {
            '=' => {
                let (before, key) = value.rsplit_once(' ').unwrap_or(("", &value));
                if let Some((_, last)) = pairs.last_mut() {
                    before.clone_into(last);
                }
                pairs.push((key.to_owned(), String::new()));
                value.clear();
            }
            '\\' => value.push(match characters.next().expect("an escaped character") {
                'n' => '\n',
                'r' => '\r',
                other @ ('\\' | '=') => other,
                other => panic!("an unknown escape of {other:?} in {line}"),
            }),
            other => value.push(other),
        }
    }
    pairs.last_mut().expect("a pair").1 = value;
    (header, pairs)
}

/// The longest fields of the header: section 6 of the RFC.
const LONGEST: [usize; 6] = [6, 32, 255, 48, 128, 32];

fn read_syslog(item: &LogItem) {
    let line = LogFormat::Rfc5424.line_at(item, now());
    let (header, pairs, message) = split_syslog(&line);
    for (field, longest) in header.iter().zip(LONGEST) {
        let is_valid = (1..=longest).contains(&field.len()) && field.bytes().all(|byte| byte.is_ascii_graphic());
        assert!(is_valid, "{field} in {line}");
    }
    // The facility is `local0`.
    let priority = header[0].strip_prefix('<').and_then(|rest| rest.strip_suffix(">1"));
    let priority = priority.and_then(|number| number.parse::<u8>().ok());
    assert!(priority.is_some_and(|number| (128..136).contains(&number)), "{line}");
    assert!(header[1].parse::<Timestamp>().is_ok(), "{line}");
    if let LogItem::Entry(_) = item {
        assert_eq!(header[2], DECKY, "{line}");
    }
    assert!(!message.contains(shown::is_hidden), "{line:?}");
    are_names(
        &pairs,
        |letter| letter.is_ascii_alphanumeric() || "._".contains(letter),
        &line,
    );

    let mut fields = Fields::of(item, now());
    let said = fields.take_text("message").unwrap_or_default();
    assert_eq!(message, escape_invisible(&said), "{line}");
    for path in ["host.name", "service.name", "event.action"] {
        fields.take(path);
    }
    let expected = fields.rest().into_iter();
    let expected: Vec<_> = expected
        .map(|(path, value)| (path, escape_invisible(&fields::text(&value))))
        .collect();
    assert_eq!(pairs, expected, "{line}");
    for (name, value) in &pairs {
        assert!(
            name.len() <= 32 && !value.contains(shown::is_hidden),
            "{name} in {line:?}"
        );
    }
}

/// Returns the header, the values and the text of a line of RFC 5424.
fn split_syslog(line: &str) -> (Vec<&str>, Vec<(String, String)>, &str) {
    let mut parts: Vec<&str> = line.splitn(7, ' ').collect();
    let rest = parts.pop().expect("structured data");
    assert_eq!(parts.len(), 6, "{line}");
    let values = rest.strip_prefix("[decnet@32473").expect("the element of DECNET");
    let mut pairs = Vec::new();
    let mut characters = values.chars();
    loop {
        match characters.next().expect("the end of the element") {
            ']' => break,
            ' ' => {}
            other => panic!("{other:?} in {line}"),
        }
        let name: String = characters.by_ref().take_while(|character| *character != '=').collect();
        assert_eq!(characters.next(), Some('"'), "{line}");
        let mut value = String::new();
        loop {
            match characters.next().expect("the end of a value") {
                '"' => break,
                '\\' => value.push(match characters.next() {
                    Some(escaped @ ('"' | '\\' | ']')) => escaped,
                    other => panic!("an unknown escape of {other:?} in {line}"),
                }),
                ']' => panic!("a bracket that is not escaped in {line}"),
                other => value.push(other),
            }
        }
        pairs.push((name, value));
    }
    let rest = characters.as_str();
    let message = rest.strip_prefix(' ').unwrap_or(rest);
    assert!(rest.is_empty() || rest.starts_with(' '), "{line}");
    (parts, pairs, message.strip_prefix('\u{feff}').unwrap_or(message))
}
