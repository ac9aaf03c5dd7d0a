//! The schema of mutations matches the input of the command.

use serde_json::Value;

use crate::mutate::with_corp;

/// Returns whether a value matches a schema; only the keywords in use are supported.
fn fits(schema: &Value, root: &Value, value: &Value) -> bool {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.strip_prefix("#/$defs/").expect("a definition");
        return fits(&root["$defs"][name], root, value);
    }
    let of_type = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        other => panic!("{other}"),
    };
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let branches = schema["oneOf"].as_array().or(schema["anyOf"].as_array());
    let object = value.as_object();
    (types.is_empty() || types.into_iter().any(of_type))
        && schema.get("const").is_none_or(|only| only == value)
        && branches.is_none_or(|all| all.iter().any(|one| fits(one, root, value)))
        && schema["required"].as_array().is_none_or(|keys| {
            let has = |key: &Value| value.get(key.as_str().expect("a key")).is_some();
            keys.iter().all(has)
        })
        && object.is_none_or(|object| {
            object.iter().all(|(key, inner)| match schema["properties"].get(key) {
                Some(of_key) => fits(of_key, root, inner),
                None => match &schema["additionalProperties"] {
                    Value::Bool(allowed) => *allowed,
                    Value::Null => true,
                    others => fits(others, root, inner),
                },
            })
        })
        && value.as_array().is_none_or(|all| {
            schema
                .get("items")
                .is_none_or(|of_all| all.iter().all(|one| fits(of_all, root, one)))
        })
}

#[test]
fn the_schema_of_mutations_matches_valid_mutations_and_no_others() {
    let sandbox = with_corp();
    let schema = sandbox.run(&["schema", "--mutation"]).exits(0).json();
    let text = schema.to_string();
    assert!(!text.contains("crate::"), "it is written for people: {text}");
    for (op, payload, is_one) in [
        ("add_lan", r#"{"name": "vault", "subnet": null}"#, true),
        ("add_lan", r#"{"name": "vault", "is_dmz": false, "x": 1}"#, true),
        (
            "add_decky",
            r#"{"name": "a", "lan": "dmz", "service_config": {"ssh": {"port": 1}}, "services": ["ssh"]}"#,
            true,
        ),
        (
            "attach_decky",
            r#"{"decky": "mop", "lan": "dmz", "ip": null, "force": false}"#,
            true,
        ),
        ("detach_decky", r#"{"decky": "door", "lan": "dmz"}"#, true),
        (
            "update_decky",
            r#"{"decky": "door", "patch": {"archetype": null}}"#,
            true,
        ),
        ("update_lan", r#"{"name": "dmz", "patch": {"name": "edge"}}"#, true),
        ("remove_decky", r#"{"decky": "mop"}"#, true),
        ("remove_lan", r#"{"name": "closet"}"#, true),
        ("add_lam", r#"{"name": "vault"}"#, false),
        ("add_lan", "{}", false),
        ("add_lan", r#"{"name": null}"#, false),
        ("add_lan", r#"{"name": "vault", "is_dmz": "false"}"#, false),
        ("add_lan", r#"{"name": "vault", "colour": "red"}"#, false),
        ("add_decky", r#"{"name": "a", "lan": "dmz", "services": "ssh"}"#, false),
        ("update_decky", r#"{"decky": "door", "patch": {"name": "x"}}"#, false),
    ] {
        let value = serde_json::json!({"op": op, "payload": serde_json::from_str::<Value>(payload).expect("JSON")});
        assert_eq!(fits(&schema, &schema, &value), is_one, "the schema, {value}");
        // The maze may still refuse it: exit status 2 means an invalid mutation.
        let ran = sandbox.run(&["mutate", "corp", op, payload, "--plan"]);
        assert_eq!(ran.code != Some(2), is_one, "{ran:#?}");
    }
}
