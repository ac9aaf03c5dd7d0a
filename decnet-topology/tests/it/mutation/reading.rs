use std::{error::Error, iter};

use decnet_topology::{
    AddDecky, AddLan, AttachDecky, Coordinate, DetachDecky, Mutation, MutationError, Persona, Position, RemoveDecky,
    RemoveLan, UpdateDecky, UpdateLan,
};
use serde_json::{Value, json};

/// Returns why a text is not a mutation, with the causes.
fn refusal(mutation: &Value) -> String {
    let error = Mutation::from_value(mutation).expect_err("no mutation");
    assert!(error.is_bad_input());
    let chain = iter::successors(Some(&error as &dyn Error), |&error| error.source());
    let texts: Vec<_> = chain.map(ToString::to_string).collect();
    format!("{}: {}", error.code(), texts.join(": "))
}

#[test]
fn an_invalid_mutation_is_reported_with_the_place_and_the_expected_value() {
    let op = |op: &str, payload: Value| json!({"op": op, "payload": payload});
    let cases = [
        json!([]),
        json!({"op": "add_lan"}),
        json!({"payload": {}}),
        json!({"op": 5, "payload": {}}),
        json!({"op": "add_lan", "payload": {"name": "a"}, "pay": 1}),
        op("add_lans", json!({})),
        op("explode", json!({})),
        op("ADD_LAN", json!({"name": "x"})),
        op("add_lan", Value::Null),
        op("add_lan", json!({})),
        op("add_lan", json!({"name": null})),
        op("add_lan", json!({"name": "a_b"})),
        op("add_lan", json!({"name": "a", "subnett": "10.0.0.0/24"})),
        op("add_lan", json!({"name": "a", "subnet": "10.0.0.1/24"})),
        op("add_lan", json!({"name": "a", "subnet": "fd00::/64"})),
        op("add_lan", json!({"name": "a", "subnet": 10})),
        op("add_lan", json!({"name": "a", "is_dmz": "false"})),
        op("add_lan", json!({"name": "a", "x": "left"})),
        op("add_lan", json!({"name": "a", "x": null})),
        op("add_decky", json!({"name": "a", "lan": "b", "ip": "10.0.0"})),
        op("add_decky", json!({"name": "a", "lan": "b", "ip": 1.0})),
        op("add_decky", json!({"name": "a", "lan": "b", "services": "ssh"})),
        op("add_decky", json!({"name": "a", "lan": "b", "services": ["ssh", 1.0]})),
        op("add_decky", json!({"name": "a", "lan": "b", "archetype": null})),
        op("add_decky", json!({"name": "a", "lan": "b", "persona": null})),
        op(
            "add_decky",
            json!({"name": "a", "lan": "b", "service_config": {"ssh": null}}),
        ),
        op("attach_decky", json!({"decky": "a", "lan": "b", "force": 1})),
        op("detach_decky", json!({"decky": "a"})),
        op("remove_decky", json!({"name": "a"})),
        op("update_decky", json!({"decky": "a", "patch": null})),
        op("update_decky", json!({"decky": "a", "patch": {"forwards_l3": "false"}})),
        op("update_decky", json!({"decky": "a", "patch": {"forward_l3": true}})),
        op("update_decky", json!({"decky": "a", "patch": {"service_config": []}})),
        op("update_decky", json!({"decky": "a", "patch": {"archetype": 1.0}})),
        op("update_decky", json!({"decky": "a", "services": null})),
        op("update_lan", json!({"name": "a", "patch": {"name": ""}})),
        op("update_lan", json!({"name": "a", "patch": {"is_dmz": null}})),
        op("update_lan", json!({"name": "a", "patch": {"subnet": "10.0.0.0/33"}})),
    ];
    let all: Vec<_> = cases
        .iter()
        .map(|case| format!("{case}\n    {}", refusal(case)))
        .collect();
    insta::assert_snapshot!(all.join("\n"));
}

#[test]
fn a_mutation_with_a_repeated_key_or_too_long_or_too_deep_is_refused() {
    let refused = |text: &str| match Mutation::from_json(text) {
        Err(MutationError::Syntax { message }) => message,
        other => panic!("{other:?}"),
    };
    let doubled = r#"{"op": "add_lan", "payload": {"name": "a", "name": "b"}}"#;
    assert_eq!(refused(doubled), "`name` occurs twice in payload; remove one");
    let again = serde_json::from_str::<Mutation>(doubled).expect_err("a doubled key");
    assert!(again.to_string().contains("occurs twice"), "{again}");
    refused("");
    refused("{");
    refused(r#"{"op": "add_lan", "payload": {"name": "a", "x": 1e999}}"#);
    refused(r#"{"op": "remove_lan", "payload": {"name": "a"}} {}"#);
    refused(&" ".repeat(Mutation::MAX_BYTES + 1));

    let nested = |levels: usize| {
        let value = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        format!(
            r#"{{"op": "update_decky", "payload": {{"decky": "a", "patch": {{"service_config": {{"ssh": {{"x": {value}}}}}}}}}}}"#
        )
    };
    assert!(Mutation::from_json(&nested(59)).is_ok());
    refused(&nested(60));
    refused(&nested(100_000));
}

#[test]
fn null_asks_for_an_allocation_or_clears() {
    let read = |op: &str, payload: Value| Mutation::from_value(&json!({"op": op, "payload": payload})).expect(op);
    let name = |text: &str| text.parse().expect("a name");
    assert_eq!(
        read("add_lan", json!({"name": "a", "subnet": null})),
        AddLan::new(name("a")).into()
    );
    assert_eq!(
        read("add_decky", json!({"name": "a", "lan": "b", "ip": null})),
        AddDecky::new(name("a"), name("b")).into()
    );
    assert_eq!(
        read("attach_decky", json!({"decky": "a", "lan": "b", "ip": null})),
        AttachDecky::new(name("a"), name("b")).into()
    );
    assert_eq!(
        read("update_decky", json!({"decky": "a", "patch": {"archetype": null}})),
        UpdateDecky::new(name("a")).archetype(None).into()
    );
    assert_eq!(
        read("update_lan", json!({"name": "a", "patch": {"subnet": null}})),
        UpdateLan::new(name("a")).subnet(None).into()
    );
    let nowhere = Position::default();
    for (mutation, cleared) in [
        (
            read("update_lan", json!({"name": "a", "x": null, "y": null})),
            Mutation::from(UpdateLan::new(name("a")).exactly_at(nowhere)),
        ),
        (
            read("update_decky", json!({"decky": "a", "x": null, "y": null})),
            UpdateDecky::new(name("a")).exactly_at(nowhere).into(),
        ),
    ] {
        assert_eq!(mutation, cleared);
        let written = serde_json::to_value(&mutation).expect("JSON");
        assert!(
            written["payload"].as_object().expect("an object").contains_key("x"),
            "{written}"
        );
        assert_eq!(Mutation::from_value(&written).expect("as written"), cleared);
    }
}

/// One mutation of each op with every key.
fn fullest() -> [Mutation; 8] {
    let name = |text: &str| text.parse().expect("a name");
    let (subnet, ip) = ("10.0.0.0/24".parse().expect("a subnet"), [10, 0, 0, 9].into());
    let place = Position {
        x: Coordinate::new(1.0).ok(),
        y: Coordinate::new(-2.5).ok(),
    };
    let config = || [("ssh".into(), [("banner".to_owned(), json!(null))].into())].into();
    [
        AddLan::new(name("a")).subnet(subnet).dmz().at(place).into(),
        RemoveLan::new(name("a")).into(),
        AddDecky::new(name("d"), name("a"))
            .services(["ssh"])
            .service_config(config())
            .archetype("deaddeck")
            .persona(Persona::default().os("windows-10"))
            .forwarding()
            .ip(ip)
            .at(place)
            .into(),
        AttachDecky::new(name("d"), name("a"))
            .ip(ip)
            .forwarding()
            .force()
            .into(),
        DetachDecky::new(name("d"), name("a")).into(),
        RemoveDecky::new(name("d")).into(),
        UpdateDecky::new(name("d"))
            .services(["ssh"])
            .service_config(config())
            .archetype(Some("deaddeck"))
            .persona(Some(Persona::default().hostname("fin-dc-01")))
            .forwarding(true)
            .at(place)
            .force()
            .into(),
        UpdateLan::new(name("a"))
            .rename(name("b"))
            .subnet(Some(subnet))
            .dmz(true)
            .at(place)
            .into(),
    ]
}

/// Lists the keys of an object, and those of its patch.
fn keys(object: &Value, patch: &Value) -> Vec<String> {
    let own = |object: &Value| {
        object
            .as_object()
            .into_iter()
            .flat_map(|map| map.keys().cloned())
            .collect::<Vec<_>>()
    };
    [own(object), own(patch)].concat()
}

#[test]
fn the_schema_knows_the_keys_that_are_read_and_written() {
    let schema = Mutation::schema();
    let branches = schema["oneOf"].as_array().expect("a branch each op");
    let resolve = |value: &Value| match value["$ref"].as_str() {
        Some(name) => schema["$defs"][name.rsplit('/').next().unwrap_or_default()].clone(),
        None => value.clone(),
    };
    for (mutation, branch) in fullest().iter().zip(branches) {
        assert_eq!(branch["properties"]["op"]["const"], mutation.op());
        let payload = resolve(&branch["properties"]["payload"]);
        assert_eq!(payload["additionalProperties"], false);
        let patch = resolve(&payload["properties"]["patch"]);
        let written = serde_json::to_value(mutation).expect("JSON");
        assert_eq!(written["op"], mutation.op());
        let (said, known) = (
            keys(&written["payload"], &written["payload"]["patch"]),
            keys(&payload["properties"], &patch["properties"]),
        );
        assert_eq!(said, known, "{}", mutation.op());
        assert_eq!(Mutation::from_value(&written).as_ref(), Ok(mutation));
        // Required keys are the names.
        for required in payload["required"].as_array().expect("required keys") {
            let mut lacking = written.clone();
            let key = required.as_str().expect("a key");
            lacking["payload"].as_object_mut().expect("an object").remove(key);
            assert!(
                matches!(Mutation::from_value(&lacking), Err(MutationError::MissingKey { .. })),
                "{key}"
            );
        }
    }
    assert_eq!(fullest().map(|mutation| mutation.op()), Mutation::OPS);
}
