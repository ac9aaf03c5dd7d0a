//! The payload of a mutation on the command line: JSON, flags, or both.

use clap::Args;
use decnet_engine::EngineError;
use decnet_topology::{Coordinate, Mutation, MutationError};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::command_error::CommandError;

/// A flag for each key of a payload.
#[derive(Debug, Default, Serialize, Args)]
#[command(next_help_heading = "Payload")]
pub(super) struct Payload {
    /// The LAN to add, remove or change; for `add_decky`, the new decky.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The decky to change, attach, detach or remove.
    #[arg(long, value_name = "NAME")]
    decky: Option<String>,
    /// The LAN to attach the decky to, or to detach it from; for `add_decky`, its home.
    #[arg(long, value_name = "NAME")]
    lan: Option<String>,
    /// The LAN's subnet [default: the next free one].
    #[arg(long, value_name = "CIDR")]
    subnet: Option<String>,
    /// The decky's address [default: the lowest free one].
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<String>,
    /// Whether the LAN is the DMZ.
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true", hide_possible_values = true)]
    is_dmz: Option<bool>,
    /// The new services of the decky, separated by commas; empty for none.
    #[arg(long, value_name = "SERVICES")]
    services: Option<String>,
    /// The configuration of the decky's services, as JSON: `{"ssh": {"password": "hunter2"}}`.
    #[arg(long, value_name = "JSON")]
    service_config: Option<String>,
    /// The archetype of the decky; empty to remove it.
    #[arg(long, value_name = "NAME")]
    archetype: Option<String>,
    /// Whether the decky forwards packets between its LANs.
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true", hide_possible_values = true)]
    forwards_l3: Option<bool>,
    /// The changes of a decky or LAN, as JSON: `{"name": "cellar"}`.
    #[arg(long, value_name = "JSON")]
    patch: Option<String>,
    /// The position on the canvas, from the left.
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, value_parser = coordinate)]
    x: Option<Coordinate>,
    /// The position on the canvas, from the top.
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, value_parser = coordinate)]
    y: Option<Coordinate>,
}

/// The keys that belong in the patch of an update.
const PATCHED: [&str; 5] = ["service_config", "archetype", "forwards_l3", "subnet", "is_dmz"];

/// The operations that can recreate a running container; the others never do.
const FORCED: [&str; 2] = ["attach_decky", "update_decky"];

impl Payload {
    /// Merges JSON and flags. The same key in both is an error.
    pub(super) fn read(self, op: &str, json: Option<&str>, force: bool) -> Result<Value, CommandError> {
        let mut payload = match json {
            Some(text) => object(text, "the payload")?,
            None => Map::new(),
        };
        let flags = serde_json::to_value(&self).map_err(|source| CommandError::Json { source })?;
        let flags = flags
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, value)| !value.is_null());
        // The patch comes first, because other flags are put into it.
        let (patch, others): (Vec<_>, Vec<_>) = flags.partition(|(key, _)| *key == "patch");
        for (key, value) in patch.into_iter().chain(others) {
            let value = match (key.as_str(), value.as_str()) {
                ("patch" | "service_config", Some(text)) => Value::Object(object(text, &flag_of(key))?),
                ("services", Some(text)) => {
                    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
                    names.map(Value::from).collect()
                }
                ("archetype", Some("")) => Value::Null,
                _ => value.clone(),
            };
            let is_patched = op.starts_with("update_") && PATCHED.contains(&key.as_str());
            let target = if is_patched {
                payload.entry("patch").or_insert_with(|| json!({})).as_object_mut()
            } else {
                Some(&mut payload)
            };
            if let Some(target) = target {
                insert(target, key, value)?;
            }
        }
        if force && FORCED.contains(&op) {
            payload.insert("force".into(), Value::Bool(true));
        }
        Ok(Value::Object(payload))
    }
}

/// Returns the flag of a key.
fn flag_of(key: &str) -> String {
    format!("--{}", key.replace('_', "-"))
}

fn insert(target: &mut Map<String, Value>, key: &str, value: Value) -> Result<(), CommandError> {
    if target.contains_key(key) {
        let flag = flag_of(key);
        return Err(CommandError::Usage(format!(
            "`{key}` is given both in the JSON and by {flag}"
        )));
    }
    target.insert(key.into(), value);
    Ok(())
}

/// Reads a JSON object without repeated keys.
fn object(text: &str, what: &str) -> Result<Map<String, Value>, CommandError> {
    let refused = |why: String| {
        let message = format!("{what} {why}");
        CommandError::from(EngineError::from(MutationError::Syntax { message }))
    };
    let object = match serde_json::from_str(text) {
        Ok(Value::Object(object)) => object,
        Ok(_) => return Err(refused("must be an object like {\"name\": \"web-01\"}".into())),
        Err(error) => return Err(refused(format!("is not JSON: {error}"))),
    };
    // Flags may complete a payload, but not override a repeated key.
    match Mutation::from_json(&format!(r#"{{"op": "", "payload": {text}}}"#)) {
        Err(MutationError::Syntax { message }) => Err(refused(format!("is ambiguous: {message}"))),
        _ => Ok(object),
    }
}

fn coordinate(text: &str) -> Result<Coordinate, String> {
    text.parse()
        .map_err(|_| format!("invalid number `{text}`; try 120 or -3.5"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    fn payload() -> Payload {
        Payload::default()
    }

    #[test]
    fn flags_go_into_the_payload_and_those_of_an_update_into_its_patch() {
        let typed = || Payload {
            decky: Some("web".into()),
            forwards_l3: Some(true),
            services: Some("ssh, http".into()),
            x: Some("-1.5".parse().expect("a number")),
            ..payload()
        };
        let beside = json!({"decky": "web", "forwards_l3": true, "services": ["ssh", "http"], "x": -1.5});
        assert_eq!(typed().read("attach_decky", None, false).expect("read"), beside);
        assert_eq!(
            typed().read("add_decky", None, true).expect("read"),
            beside,
            "nothing to force"
        );
        let within = json!({
            "decky": "web", "patch": {"forwards_l3": true}, "services": ["ssh", "http"], "x": -1.5, "force": true
        });
        assert_eq!(typed().read("update_decky", None, true).expect("read"), within);
    }

    #[test]
    fn json_and_flags_are_merged_unless_both_have_the_same_key() {
        let typed = |forwards_l3| Payload {
            patch: Some(r#"{"archetype": null}"#.into()),
            forwards_l3,
            ..payload()
        };
        let read = typed(Some(false)).read("update_decky", Some(r#"{"decky": "web"}"#), false);
        let whole = json!({"decky": "web", "patch": {"archetype": null, "forwards_l3": false}});
        assert_eq!(read.expect("read"), whole);
        let twice = typed(None).read("update_decky", Some(r#"{"patch": {}}"#), false);
        assert!(matches!(twice, Err(CommandError::Usage(_))), "{twice:?}");
    }

    #[test]
    fn a_payload_that_is_not_an_object_is_refused() {
        for wrong in ["", "[]", "null", "{", "{\"a\":1}x", r#"{"a": 1, "a": 2}"#] {
            let read = payload().read("add_lan", Some(wrong), false);
            let is_syntax = |error: &CommandError| error.code() == "SYNTAX" && error.exit() == Exit::Usage;
            assert!(read.as_ref().is_err_and(is_syntax), "{wrong}: {read:?}");
        }
    }
}
