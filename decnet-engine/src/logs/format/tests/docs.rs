//! `docs/logs.md` says what the code does.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
};

use decnet_decoy::protocol::{Action, Outcome};
use serde_json::Value;

use super::{fields::Fields, level::Level, ocsf::Class, *};
use crate::logs::LogContent;

/// The attributes of OCSF whose values are written differently there.
const CHANGED: [(&str, &str); 8] = [
    ("decnet.direction", "activity_id"),
    ("decnet.summary.connections", "count"),
    ("decnet.summary.datagrams", "count"),
    ("decnet.summary.first", "start_time"),
    ("decnet.summary.last", "end_time"),
    ("event.created", "metadata.logged_time"),
    ("event.duration", "duration"),
    ("event.outcome", "status_id"),
];

/// Returns one line in each format.
fn examples() -> String {
    let item = samples::item(&samples::record("auth.attempt"));
    let mut text = String::new();
    for (name, format) in [
        ("no flag", LogFormat::Text),
        ("`--json`", LogFormat::Json),
        ("`--ecs`", LogFormat::Ecs),
        ("`--rfc5424`", LogFormat::Rfc5424),
        ("`--cef`", LogFormat::Cef),
        ("`--ocsf`", LogFormat::Ocsf),
    ] {
        let line = format.line_at(&item, now()).replace('\u{feff}', "");
        let line = line.replace(env!("CARGO_PKG_VERSION"), "VERSION");
        write!(text, "{name}:\n\n```text\n{line}\n```\n\n").unwrap();
    }
    text
}

/// Returns the severities and the class of each event.
fn events() -> String {
    let mut table = String::from(
        "| event | `event.severity`, CEF | syslog | OCSF severity | OCSF class and activity |\n|---|---|---|---|---|\n",
    );
    for (name, item) in all() {
        let (level, class) = (Level::of(&item), Class::of(&item));
        let syslog = level.syslog() as u8;
        writeln!(
            table,
            "| {name} | {} | {syslog} | {} | {} {}, {} |",
            level.number(),
            level.ocsf(),
            class.uid,
            class.name,
            class.activity_name
        )
        .unwrap();
    }
    table
}

/// Returns the place of each value in CEF and OCSF.
fn places() -> String {
    let mut places: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (_, item) in all() {
        let LogItem::Entry(entry) = &item else { continue };
        if !matches!(entry.content, LogContent::Record(_)) {
            continue;
        }
        let mut attributes = Vec::new();
        flatten(String::new(), &ocsf::document(&item, now()), &mut attributes);
        for (path, value) in Fields::of(&item, now()).rest() {
            let found = attributes.iter().filter(|(attribute, found)| {
                let is_unmapped = attribute.starts_with("unmapped.");
                let is_same = *found == value || value.as_array().is_some_and(|values| values.first() == Some(found));
                is_same
                    && (!is_unmapped || *attribute == format!("unmapped.{path}"))
                    && (attribute != "message" || path == "message")
            });
            let place = places.entry(path.clone()).or_default();
            place.extend(found.map(|(attribute, _)| match attribute.strip_prefix("unmapped.") {
                Some(_) => "unmapped".to_owned(),
                None => attribute.clone(),
            }));
            place.extend(
                CHANGED
                    .iter()
                    .filter(|(changed, _)| *changed == path)
                    .map(|(_, to)| (*to).to_owned()),
            );
            if path == "url.original" {
                place.insert("http_request.url".into());
            }
            assert!(!place.is_empty(), "{path} is lost in {attributes:?}");
        }
    }
    let mut table = String::from("| ECS, and name in RFC 5424 | CEF | OCSF |\n|---|---|---|\n");
    for (path, attributes) in places {
        let keys = cef::KEYS.iter().map(|(path, key)| (*path, *key));
        let keys = keys.chain(cef::LABELLED.iter().map(|(path, key, _)| (*path, *key)));
        let key = keys.into_iter().find(|(known, _)| *known == path);
        let key = key.map_or_else(|| cef::custom_key(&path), |(_, key)| key.to_owned());
        let attributes: Vec<String> = attributes
            .into_iter()
            .map(|attribute| format!("`{attribute}`"))
            .collect();
        writeln!(table, "| `{path}` | `{key}` | {} |", attributes.join(", ")).unwrap();
    }
    table
}

fn flatten(path: String, value: &Value, attributes: &mut Vec<(String, Value)>) {
    let mut add = |step: &str, value: &Value| {
        let path = if path.is_empty() {
            step.to_owned()
        } else {
            format!("{path}{step}")
        };
        flatten(path, value, attributes);
    };
    match value {
        Value::Object(map) if path == "unmapped" => {
            for (key, value) in map {
                attributes.push((format!("unmapped.{key}"), value.clone()));
            }
        }
        Value::Object(map) => {
            let dot = if path.is_empty() { "" } else { "." };
            for (key, value) in map {
                add(&format!("{dot}{key}"), value);
            }
        }
        Value::Array(values) => {
            for value in values {
                add("[]", value);
            }
        }
        value => attributes.push((path, value.clone())),
    }
}

#[test]
fn the_documentation_has_the_lines_and_the_tables_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/logs.md");
    let documentation = fs::read_to_string(path).unwrap_or_default();
    let parts = [examples(), events(), places()];
    let missing: Vec<&String> = parts
        .iter()
        .filter(|part| !documentation.contains(part.trim_end()))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/logs.md must have:\n{}",
        missing
            .into_iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join("\n---\n")
    );
}

#[test]
fn a_login_that_succeeds_is_more_severe_than_one_that_fails() {
    let level = |outcome| Level::of_action(Action::AuthAttempt, Some(outcome)).number();
    assert!(level(Outcome::Success) > level(Outcome::Failure));
}
