//! The values of a document by path, of which a format takes those that it has a place for.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::ecs;
use crate::logs::LogItem;

/// Values that are the same in all lines, or repeat other values.
const REPEATED: [&str; 7] = [
    "ecs.",
    "observer.",
    "related.",
    "event.kind",
    "event.module",
    "event.dataset",
    "event.severity",
];

/// The values of the Elastic Common Schema of an item.
#[derive(Default)]
pub(super) struct Fields(BTreeMap<String, Value>);

impl Fields {
    pub(super) fn of(item: &LogItem, now: Timestamp) -> Self {
        let mut fields = BTreeMap::new();
        flatten(String::new(), ecs::document(item, now), &mut fields);
        fields.retain(|path, _| !REPEATED.iter().any(|start| path.starts_with(start)));
        for path in ["@timestamp", "event.category", "event.type", "threat.framework"] {
            fields.remove(path);
        }
        Self(fields)
    }

    pub(super) fn take(&mut self, path: &str) -> Option<Value> {
        self.0.remove(path)
    }

    pub(super) fn take_text(&mut self, path: &str) -> Option<String> {
        self.take(path).map(|value| text(&value))
    }

    pub(super) fn get(&self, path: &str) -> Option<&Value> {
        self.0.get(path)
    }

    /// Returns the values that were not taken.
    pub(super) fn rest(self) -> BTreeMap<String, Value> {
        self.0
    }
}

fn flatten(path: String, value: Value, fields: &mut BTreeMap<String, Value>) {
    match value {
        // Its keys are ids of events, which have dots.
        Value::Object(map) if path != "decnet.left_out" => {
            for (key, value) in map {
                let path = if path.is_empty() { key } else { format!("{path}.{key}") };
                flatten(path, value, fields);
            }
        }
        Value::Null => {}
        value => {
            fields.insert(path, value);
        }
    }
}

/// Returns a value as one text: the values of a list with commas, and those of a map as `key=value`.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(","),
        Value::Object(map) => {
            let pairs = map.iter().map(|(key, value)| format!("{key}={}", text(value)));
            pairs.collect::<Vec<_>>().join(",")
        }
        value => value.to_string(),
    }
}
