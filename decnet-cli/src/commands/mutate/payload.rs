//! The payload of a mutation as it may be typed: JSON, flags, or both.

use clap::Args;
use decnet_engine::engine::EngineError;
use decnet_topology::{Mutation, MutationError, model::Coordinate};
use serde_json::{Map, Value, json};

use crate::command_error::CommandError;

/// A flag for each key of a payload.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Payload")]
pub(super) struct Payload {
    /// The LAN that is added, removed or changed; of `add_decky`, the new decky.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The decky that is changed, attached, detached or removed.
    #[arg(long, value_name = "NAME")]
    decky: Option<String>,
    /// The LAN that the decky is attached to or detached from; of `add_decky`, its home.
    #[arg(long, value_name = "NAME")]
    lan: Option<String>,
    /// The LAN's subnet; one is allocated if none is given.
    #[arg(long, value_name = "CIDR")]
    subnet: Option<String>,
    /// The decky's address; the lowest free one if none is given.
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<String>,
    /// Whether the LAN is the DMZ.
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true", hide_possible_values = true)]
    is_dmz: Option<bool>,
    /// What the decky runs from now on, separated by commas; empty for nothing.
    #[arg(long, value_name = "SERVICES")]
    services: Option<String>,
    /// How the decky's services are configured, as JSON: `{"ssh": {"password": "hunter2"}}`.
    #[arg(long, value_name = "JSON")]
    service_config: Option<String>,
    /// What the decky poses as; empty to clear it.
    #[arg(long, value_name = "NAME")]
    archetype: Option<String>,
    /// Whether the decky forwards packets between its LANs.
    #[arg(long, value_name = "true|false", num_args = 0..=1, default_missing_value = "true", hide_possible_values = true)]
    forwards_l3: Option<bool>,
    /// What changes of a decky or LAN, as JSON: `{"name": "cellar"}`.
    #[arg(long, value_name = "JSON")]
    patch: Option<String>,
    /// The place on the canvas, from the left.
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, value_parser = coordinate)]
    x: Option<Coordinate>,
    /// The place on the canvas, from the top.
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, value_parser = coordinate)]
    y: Option<Coordinate>,
}

/// The keys that stand in the patch of an update, not beside it.
const PATCHED: [&str; 5] = ["service_config", "archetype", "forwards_l3", "subnet", "is_dmz"];

/// The ops that can make a running container anew; the others never need to.
const FORCED: [&str; 2] = ["attach_decky", "update_decky"];

impl Payload {
    /// Puts JSON and flags together; the same key in both is refused.
    pub(super) fn read(self, op: &str, json: Option<&str>, force: bool) -> Result<Value, CommandError> {
        let mut payload = match json {
            Some(text) => object(text, "the payload")?,
            None => Map::new(),
        };
        for (key, value) in self.typed()? {
            let is_patched = op.starts_with("update_") && PATCHED.contains(&key);
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

    /// Returns what was typed, the patch first.
    fn typed(self) -> Result<Vec<(&'static str, Value)>, CommandError> {
        let json = |key, text: Option<String>| match text {
            Some(text) => object(&text, &format!("--{key}")).map(|object| Some(Value::Object(object))),
            None => Ok(None),
        };
        let services = self.services.map(|text| {
            let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
            names.map(Value::from).collect()
        });
        let archetype = self
            .archetype
            .map(|name| if name.is_empty() { Value::Null } else { name.into() });
        let typed = [
            ("patch", json("patch", self.patch)?),
            ("name", self.name.map(Value::from)),
            ("decky", self.decky.map(Value::from)),
            ("lan", self.lan.map(Value::from)),
            ("subnet", self.subnet.map(Value::from)),
            ("ip", self.ip.map(Value::from)),
            ("is_dmz", self.is_dmz.map(Value::from)),
            ("services", services),
            ("service_config", json("service-config", self.service_config)?),
            ("archetype", archetype),
            ("forwards_l3", self.forwards_l3.map(Value::from)),
            ("x", self.x.map(|x| x.get().into())),
            ("y", self.y.map(|y| y.get().into())),
        ];
        Ok(typed
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .collect())
    }
}

fn insert(target: &mut Map<String, Value>, key: &str, value: Value) -> Result<(), CommandError> {
    if target.contains_key(key) {
        let flag = key.replace('_', "-");
        return Err(CommandError::Usage(format!(
            "`{key}` is given in the JSON and by --{flag}"
        )));
    }
    target.insert(key.into(), value);
    Ok(())
}

/// Reads an object that has no key twice.
fn object(text: &str, what: &str) -> Result<Map<String, Value>, CommandError> {
    let refused = |why: String| {
        let message = format!("{what} {why}");
        CommandError::from(EngineError::from(MutationError::Syntax { message }))
    };
    let object = match serde_json::from_str(text) {
        Ok(Value::Object(object)) => object,
        Ok(_) => return Err(refused("must be an object like {\"name\": \"web-01\"}".into())),
        Err(error) => return Err(refused(format!("is no JSON: {error}"))),
    };
    // Whatever else is wrong with it, flags may still mend; a key that is there twice they cannot.
    match Mutation::from_json(&format!(r#"{{"op": "", "payload": {text}}}"#)) {
        Err(MutationError::Syntax { message }) => Err(refused(format!("is ambiguous: {message}"))),
        _ => Ok(object),
    }
}

fn coordinate(text: &str) -> Result<Coordinate, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is no number like 120 or -3.5"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    fn payload() -> Payload {
        Payload::default()
    }

    #[test]
    fn flags_fill_the_payload_and_of_updates_the_patch() {
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
    fn json_and_flags_go_together_unless_both_say_the_same() {
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
    fn what_is_no_object_is_refused() {
        for wrong in ["", "[]", "null", "{", "{\"a\":1}x", r#"{"a": 1, "a": 2}"#] {
            let read = payload().read("add_lan", Some(wrong), false);
            let is_syntax = |error: &CommandError| error.code() == "SYNTAX" && error.exit() == Exit::Usage;
            assert!(read.as_ref().is_err_and(is_syntax), "{wrong}: {read:?}");
        }
    }
}
