use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value};

/// The fields of specs that are no part of their digest: they are changed in the running container, or follow from the rest.
const NOT_DIGESTED: [&str; 6] = ["labels", "interfaces", "state", "build", "ports", "answers_datagrams"];

/// Returns the names of the fields in which two specs differ so that their container or network has to be recreated.
pub(crate) fn changed_spec_fields<S: Serialize>(before: &S, after: &S) -> BTreeSet<String> {
    let mut fields = changed_fields(before, after);
    fields.retain(|field| !NOT_DIGESTED.contains(&field.as_str()));
    fields
}

/// Returns the names of the fields in which two values differ.
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
