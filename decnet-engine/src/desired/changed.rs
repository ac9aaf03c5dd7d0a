use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};

/// The fields of specs that are not part of their digest: they are changed in the running container, or follow from other fields.
const NOT_DIGESTED: [&str; 6] = ["labels", "interfaces", "state", "build", "ports", "answers_datagrams"];

/// Returns the names of the differing fields that require the container or network to be recreated.
pub(crate) fn changed_spec_fields<S: Serialize>(before: &S, after: &S) -> BTreeSet<String> {
    let mut fields = changed_fields(before, after);
    fields.retain(|field| !NOT_DIGESTED.contains(&field.as_str()));
    fields
}

/// Returns the names of the differing fields of two values.
pub(crate) fn changed_fields<S: Serialize>(before: &S, after: &S) -> BTreeSet<String> {
    let (before, after) = (fields(before), fields(after));
    let names = before.keys().chain(after.keys());
    names
        .filter(|name| before.get(*name) != after.get(*name))
        .cloned()
        .collect()
}

fn fields(value: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}
