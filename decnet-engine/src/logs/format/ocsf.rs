//! Events of the Open Cybersecurity Schema Framework 1.5: <https://schema.ocsf.io/1.5.0>.

mod attributes;
mod class;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

pub(super) use self::class::Class;
use super::{ecs, escape, fields::Fields, level::Level};
use crate::logs::{LogContent, LogItem};

/// The version of the schema.
const VERSION: &str = "1.5.0";

pub(super) fn line(item: &LogItem, now: Timestamp) -> String {
    escape::json(&document(item, now))
}

pub(super) fn document(item: &LogItem, now: Timestamp) -> Value {
    let fields = &mut Fields::of(item, now);
    let class = Class::of(item);
    let level = Level::of(item).ocsf();
    let id = fields.take("event.id");
    let own = match item {
        LogItem::Entry(entry) => match &entry.content {
            LogContent::Record(record) => attributes::of_record(record, class, fields, id.as_ref()),
            LogContent::Json { .. } | LogContent::Text { .. } => json!({ "device": attributes::device(fields) }),
        },
        _ => json!({ "status_detail": fields.take("error.message"), "count": fields.take("decnet.lines") }),
    };
    let technique = json!({ "uid": first(fields.take("threat.technique.id")), "name": first(fields.take("threat.technique.name")) });
    let attacks = technique["uid"]
        .is_string()
        .then(|| json!([{ "technique": technique }]));
    let profiles = [(attacks.is_some(), "security_control"), (class.is_base(), "host")];
    let profiles: Vec<&str> = profiles
        .into_iter()
        .filter(|(is_used, _)| *is_used)
        .map(|(_, name)| name)
        .collect();
    let logged = match item {
        LogItem::Entry(entry) => entry.at.as_millisecond(),
        _ => now.as_millisecond(),
    };
    let mut document = json!({
        "class_uid": class.uid,
        "class_name": class.name,
        "category_uid": class.uid / 1000,
        "activity_id": class.activity,
        "activity_name": class.activity_name,
        "type_uid": class.uid * 100 + class.activity,
        "severity_id": level,
        "time": ecs::at(item, now).as_millisecond(),
        "message": fields.take("message"),
        "metadata": {
            "version": VERSION,
            "product": { "name": "DECNET", "vendor_name": "DECNET", "version": env!("CARGO_PKG_VERSION") },
            "profiles": (!profiles.is_empty()).then_some(profiles),
            "uid": id,
            "event_code": fields.take("event.action"),
            "sequence": fields.take("event.sequence"),
            "logged_time": logged,
        },
        "attacks": attacks,
    });
    fields.take("event.created");
    if let (Value::Object(document), Value::Object(own)) = (&mut document, own) {
        document.extend(own);
        let rest = Map::from_iter(std::mem::take(fields).rest());
        document.insert("unmapped".into(), Value::Object(rest));
    }
    prune(&mut document);
    document
}

/// Returns the first value of a list.
fn first(value: Option<Value>) -> Option<Value> {
    value?.as_array()?.first().cloned()
}

/// Removes what is null or has no members.
fn prune(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.values_mut().for_each(prune);
            map.retain(|_, value| !(value.is_null() || value.as_object().is_some_and(Map::is_empty)));
        }
        Value::Array(values) => values.iter_mut().for_each(prune),
        _ => {}
    }
}
