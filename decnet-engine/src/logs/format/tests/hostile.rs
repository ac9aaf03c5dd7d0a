//! Text of an intruder in all fields, in all formats.

use std::collections::BTreeMap;

use decnet_topology::shown;
use proptest::prelude::*;
use serde_json::Value;
use syslog_loose::{Protocol, Variant};

use super::*;
use crate::{logs::LogContent, syslog::escape_invisible};

/// The fields whose values are words of a list, which a record cannot have any text in.
const WORDS: [&str; 4] = ["action", "outcome", "transport", "reason"];

/// Text with what ends lines and fields in one of the formats.
fn text() -> impl Strategy<Value = String> {
    let marks = prop::sample::select(vec![
        "\n",
        "\r\n",
        "\0",
        "\"",
        "\\",
        "|",
        "]",
        "[",
        "=",
        " ",
        "'",
        "{",
        "}",
        ",",
        ":",
        "\u{1b}[2J",
        "\u{85}",
        "\u{2028}",
        "\u{202e}",
        "\u{feff}",
        "\u{e0041}",
        "\\x00\\xff",
        "\\n",
        "\\\"",
        "\\]",
        "\\|",
        "\\=",
        " src=10.0.0.1",
        "cs1=",
        "\"] forged",
        " CEF:0|a|b|",
        "\n<133>1 ",
        "\"},{\"",
        "täglich 名 🦀",
        "?",
        "\u{7f}",
        "\t",
    ]);
    let marks = prop::collection::vec(marks, 0..8).prop_map(|marks| marks.concat());
    prop_oneof![marks, any::<String>()]
}

/// Replaces all texts of a record.
fn replace(record: &mut Value, text: &str) {
    match record {
        Value::Object(map) => {
            for (key, value) in map {
                if !WORDS.contains(&key.as_str()) && key != "ip" {
                    replace(value, text);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| replace(value, text)),
        Value::String(value) => text.clone_into(value),
        _ => {}
    }
}

/// Returns all items of samples with this text in all fields, and the items without it.
fn pairs(text: &str) -> Vec<(LogItem, LogItem)> {
    let mut pairs = Vec::new();
    for (name, calm) in all() {
        let hostile = match &calm {
            LogItem::Entry(entry) => match &entry.content {
                LogContent::Record(_) => {
                    let mut record = samples::record(&name);
                    replace(&mut record, text);
                    samples::item(&record)
                }
                LogContent::Json { .. } => samples::program_object(text),
                LogContent::Text { .. } => samples::program_line(text),
            },
            LogItem::Unreadable { container, .. } => LogItem::Unreadable {
                container: container.clone(),
                reason: text.into(),
            },
            LogItem::Disconnected { .. } => LogItem::Disconnected { reason: text.into() },
            _ => continue,
        };
        pairs.push((hostile, calm));
    }
    pairs
}

#[track_caller]
fn is_visible(line: &str) {
    assert!(!line.contains(shown::is_hidden), "{line:?}");
}

fn cef_is_read_back(hostile: &LogItem, calm: &LogItem, text: &str) {
    let line = LogFormat::Cef.line_at(hostile, now());
    is_visible(&line);
    let (header, pairs) = oracle::split_cef(&line);
    let (calm_header, calm_pairs) = oracle::split_cef(&LogFormat::Cef.line_at(calm, now()));
    assert_eq!(header, calm_header, "{line}");
    let keys = |pairs: &[(String, String)]| pairs.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>();
    assert_eq!(keys(&pairs), keys(&calm_pairs), "{line}");
    let shown: String = text
        .chars()
        .map(|character| match character {
            '\n' | '\r' => character.to_string(),
            hidden if shown::is_hidden(hidden) => hidden.escape_default().to_string(),
            other => other.to_string(),
        })
        .collect();
    let fields = [
        "suser",
        "cs2",
        "cs3",
        "request",
        "fname",
        "DecnetTarget",
        "DecnetInput",
        "DecnetTlsClientJa4",
    ];
    for (key, value) in pairs.iter().filter(|(key, _)| fields.contains(&key.as_str())) {
        assert_eq!(*value, shown, "{key} in {line}");
    }
}

fn syslog_is_read_back(hostile: &LogItem, calm: &LogItem, text: &str) {
    let line = LogFormat::Rfc5424.line_at(hostile, now());
    is_visible(&line.replacen('\u{feff}', "", 1));
    let read = |line: &str| {
        let message = syslog_loose::parse_message(line, Variant::RFC5424);
        assert_eq!(message.protocol, Protocol::RFC5424(1), "{line}");
        let [element] = message.structured_data.as_slice() else {
            panic!("{line}");
        };
        assert_eq!(element.id, "decnet@32473", "{line}");
        let values: BTreeMap<String, String> = element
            .params()
            .map(|(name, value)| ((*name).to_owned(), value))
            .collect();
        let header = [message.hostname, message.appname, message.msgid].map(|field| field.map(str::to_owned));
        (header, message.severity, values)
    };
    let ours = read(&line);
    let calm = read(&LogFormat::Rfc5424.line_at(calm, now()));
    assert_eq!((&ours.0, ours.1), (&calm.0, calm.1), "{line}");
    assert!(ours.2.keys().eq(calm.2.keys()), "{line}");
    assert!(ours.2.keys().all(|name| name.len() <= 32), "{line}");
    for name in [
        "user.name",
        "decnet.password",
        "process.command_line",
        "url.original",
        "error.message",
        "file.name",
    ] {
        if let Some(value) = ours.2.get(name) {
            assert_eq!(*value, escape_invisible(text), "{name} in {line}");
        }
    }
}

fn documents_are_read_back(hostile: &LogItem, text: &str) {
    for (format, document) in [
        (LogFormat::Json, serde_json::to_value(hostile).unwrap()),
        (LogFormat::Ecs, ecs::document(hostile, now())),
        (LogFormat::Ocsf, ocsf::document(hostile, now())),
    ] {
        let line = format.line_at(hostile, now());
        is_visible(&line);
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read, document, "{line}");
        let user = read.pointer(if format == LogFormat::Json {
            "/entry/record/user/name"
        } else {
            "/user/name"
        });
        assert!(user.is_none_or(|user| user == text), "{line}");
    }
    ocsf_schema::check(&ocsf::document(hostile, now()));
}

fn is_read_back(text: &str) {
    for (hostile, calm) in pairs(text) {
        cef_is_read_back(&hostile, &calm, text);
        syslog_is_read_back(&hostile, &calm, text);
        documents_are_read_back(&hostile, text);
        is_visible(&LogFormat::Text.line_at(&hostile, now()));
    }
}

#[test]
fn known_attacks_are_read_back() {
    for text in [
        "",
        " ",
        "a\nb",
        "x\" reason=\"forged",
        "x\"] forged message",
        "\\",
        "\\\\\"",
        "a src=10.0.0.1",
        "a\\=b",
        "\\xff\\x00",
        "\u{202e}\u{2028}\u{e0041}",
    ] {
        is_read_back(text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_breaks_a_line_or_a_field(text in text()) {
        is_read_back(&text);
    }
}
