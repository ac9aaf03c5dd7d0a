//! Documents of the Elastic Common Schema 8: <https://www.elastic.co/docs/reference/ecs>.

use decnet_decoy::protocol::Record;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{escape, level::Level, text};
use crate::logs::{LogContent, LogEntry, LogItem};

/// The version of the schema.
const VERSION: &str = "8.17.0";

pub(super) fn line(item: &LogItem, now: Timestamp) -> String {
    escape::json(&document(item, now))
}

/// Returns the time of an item: that of its record, or of its arrival if the record has no valid time.
pub(super) fn at(item: &LogItem, now: Timestamp) -> Timestamp {
    let LogItem::Entry(entry) = item else {
        return now;
    };
    match &entry.content {
        LogContent::Record(record) => {
            let at = record.timestamp.parse().ok();
            at.filter(|at| *at >= Timestamp::UNIX_EPOCH).unwrap_or(entry.at)
        }
        LogContent::Json { .. } | LogContent::Text { .. } => entry.at,
    }
}

/// Returns the document of an item. The other formats for programs write its values too.
pub(super) fn document(item: &LogItem, now: Timestamp) -> Value {
    let mut document = match item {
        LogItem::Entry(entry) => match &entry.content {
            LogContent::Record(record) => of_record(entry, record),
            // Its keys could have any type, which an index would refuse, so it stays one text.
            LogContent::Json { is_error, message } => of_line(*is_error, &escape::json(message)),
            LogContent::Text { is_error, message } => of_line(*is_error, message),
        },
        LogItem::Dropped {
            container,
            service,
            lines,
        } => json!({
            "event": { "action": "lines.dropped", "kind": "pipeline_error" },
            "service": { "name": service },
            "container": { "name": container },
            "decnet": { "lines": lines },
        }),
        LogItem::Unreadable { container, reason } => json!({
            "event": { "action": "log.unreadable", "kind": "pipeline_error" },
            "container": { "name": container },
            "error": { "message": reason },
        }),
        LogItem::Disconnected { reason } => json!({
            "event": { "action": "runtime.disconnected", "kind": "pipeline_error" },
            "error": { "message": reason },
        }),
        LogItem::Connected {} => json!({ "event": { "action": "runtime.connected", "kind": "event" } }),
    };
    if let LogItem::Entry(entry) = item {
        merge(&mut document, of_entry(entry));
    }
    let common = json!({
        "@timestamp": at(item, now),
        "ecs": { "version": VERSION },
        "event": { "module": "decnet", "dataset": "decnet", "severity": Level::of(item).number() },
        "observer": { "vendor": "DECNET", "product": "DECNET", "type": "honeypot", "version": env!("CARGO_PKG_VERSION") },
    });
    merge(&mut document, common);
    if document.get("message").is_none() {
        document["message"] = text::message(item).into();
    }
    document
}

/// Returns the values of a line of another program.
fn of_line(is_error: bool, message: &str) -> Value {
    json!({
        "event": { "kind": "event" },
        "message": message,
        "stream": if is_error { "stderr" } else { "stdout" },
    })
}

fn of_record(entry: &LogEntry, record: &Record) -> Value {
    let mut document = serde_json::to_value(record).unwrap_or_default();
    let (category, kind) = record.event.action.category();
    let mut categories = vec![category];
    categories.extend(record.http.is_some().then_some("web"));
    // A program in a container can print any words here, and an index would refuse them.
    let valid = json!({ "event": { "kind": "event", "category": categories, "type": [kind], "created": entry.at } });
    merge(&mut document, valid);
    if record.threat.is_some() {
        merge(&mut document, json!({ "threat": { "framework": "MITRE ATT&CK" } }));
    }
    document
}

/// Returns the place of a line in the mazes, which the program in the container cannot choose.
fn of_entry(entry: &LogEntry) -> Value {
    let service = entry.service.as_ref().map(|service| json!({ "name": service }));
    json!({
        "event": { "id": entry.id },
        "host": { "name": entry.decky },
        "source": entry.visitor().map(|address| json!({ "ip": address })),
        "service": service,
        "container": { "name": entry.container },
        "decnet": { "topology": entry.topology, "maze": entry.maze, "from": entry.from },
    })
}

/// Adds values to a document. Values that are null are skipped, and others replace those that are there.
fn merge(document: &mut Value, values: Value) {
    match values {
        Value::Null => {}
        Value::Object(values) => {
            if !document.is_object() {
                *document = Value::Object(Map::new());
            }
            for (key, value) in values.into_iter().filter(|(_, value)| !value.is_null()) {
                merge(&mut document[key], value);
            }
        }
        value => *document = value,
    }
}
