//! The payload of a mutation on the command line: JSON, flags, or both.

use clap::Args;
use decnet_topology::{Coordinate, DoubledField, Mutation};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::command_error::CommandError;

/// A flag for each key of a payload.
#[derive(Debug, Serialize, Args)]
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
    /// The new services of the decky, separated by commas; empty for none. A new decky has those of its archetype by default.
    #[arg(long, value_name = "SERVICES")]
    services: Option<String>,
    /// The configuration of the decky's services, as JSON: `{"ssh": {"password": "hunter2"}}`.
    #[arg(long, value_name = "JSON")]
    service_config: Option<String>,
    /// The archetype of the decky; empty to remove it.
    #[arg(long, value_name = "NAME")]
    archetype: Option<String>,
    /// What the decky pretends to be, as JSON: `{"os": "windows-10", "hostname": "fin-desk-07"}`; empty to remove it.
    #[arg(long, value_name = "JSON")]
    persona: Option<String>,
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

impl Payload {
    /// Merges JSON and flags. The same key in both is an error.
    pub(super) fn read(self, op: &str, json: Option<&str>, force: bool) -> Result<Value, CommandError> {
        let mut payload = match json {
            Some(text) => Mutation::object_from_json("the payload", text)?,
            None => Map::new(),
        };
        let Value::Object(flags) = serde_json::to_value(&self)? else {
            return Ok(payload.into());
        };
        let mut fields = Vec::new();
        for (key, value) in flags.into_iter().filter(|(_, value)| !value.is_null()) {
            let value = match (key.as_str(), value.as_str()) {
                ("archetype" | "persona", Some("")) => Value::Null,
                ("patch" | "persona" | "service_config", Some(text)) => {
                    Mutation::object_from_json(&flag_of(&key), text)?.into()
                }
                ("services", Some(text)) => {
                    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
                    names.map(Value::from).collect()
                }
                _ => value,
            };
            fields.push((key, value));
        }
        if force {
            fields.push(("force".into(), true.into()));
        }
        Mutation::add_fields(op, &mut payload, fields).map_err(|DoubledField { key }| {
            let flag = flag_of(&key);
            CommandError::Usage(format!("`{key}` is given both in the JSON and by {flag}"))
        })?;
        Ok(payload.into())
    }
}

/// Returns the flag of a key.
fn flag_of(key: &str) -> String {
    format!("--{}", key.replace('_', "-"))
}

fn coordinate(text: &str) -> Result<Coordinate, String> {
    text.parse()
        .map_err(|_| format!("invalid number `{text}`; try 120 or -3.5"))
}
