use decnet_topology::{
    Catalog, ConfigBuilder, ConfigSyntax, GenerateError, Naming, ServiceChoice, TopologyConfig, generate,
    testing::strategies,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::generate::{read, seeded};

#[test]
fn services_that_no_decky_can_run_are_faults() {
    let faults = |services: Value| {
        let value = json!({"name": "x", "depth": 1, "branching_factor": 1, "services_explicit": services});
        read(&value)
            .expect_err("faults")
            .faults
            .into_iter()
            .map(|fault| fault.message)
            .collect::<Vec<_>>()
    };
    assert_eq!(faults(json!(["ssh", "gopher"])), ["no service named `gopher`"]);
    assert_eq!(
        faults(json!(["sniffer"])),
        ["`sniffer` is a singleton that never runs on a decky"]
    );
    assert_eq!(
        faults(json!(["http", "ssh", "conpot"])),
        ["`http` and `conpot` use the same port"]
    );
    let typed = seeded(1, 1).services_explicit(["gopher"]).build().expect("config");
    assert!(matches!(
        generate(&typed, &Catalog::builtin(), &[]),
        Err(GenerateError::Config(_))
    ));
}

#[test]
fn the_text_of_a_config_is_read_in_three_syntaxes() {
    let read = |text: &str, syntax| TopologyConfig::value_from_text(text, syntax).map_err(|error| error.to_string());
    let expected = json!({"name": "corp", "depth": 2, "services_explicit": ["ssh"]});
    let json = r#"{"name": "corp", "depth": 2, "services_explicit": ["ssh"]}"#;
    for (text, syntax) in [
        (json, ConfigSyntax::Json),
        (json, ConfigSyntax::Auto),
        ("name: corp\ndepth: 2\nservices_explicit: [ssh]", ConfigSyntax::Auto),
        ("name: corp\ndepth: 2\nservices_explicit: [ssh]", ConfigSyntax::Yaml),
        (
            "name = 'corp'\ndepth = 2\nservices_explicit = ['ssh']",
            ConfigSyntax::Toml,
        ),
    ] {
        assert_eq!(read(text, syntax), Ok(expected.clone()), "{syntax:?}");
    }
    for (text, syntax, place) in [
        ("{", ConfigSyntax::Json, "line 1, column 1: "),
        ("a: [", ConfigSyntax::Yaml, "line 1, "),
        ("a = 1\na = 2", ConfigSyntax::Toml, "line 2, column 1: "),
        ("a: 1\na: 2", ConfigSyntax::Yaml, "line 2, column 1: `a` occurs twice"),
    ] {
        let error = read(text, syntax).expect_err(text);
        assert!(error.starts_with(place), "{text}: {error}");
    }
    for (file, syntax) in [
        ("c.TOML", ConfigSyntax::Toml),
        ("c.yml", ConfigSyntax::Yaml),
        ("c", ConfigSyntax::Auto),
    ] {
        assert_eq!(ConfigSyntax::of_file(file.as_ref()), syntax);
    }
}

#[test]
fn all_faults_of_a_config_are_reported_together() {
    let value = json!({
        "name": "", "depth": "3", "branching_factor": 2.0, "mode": "cloud", "deckies_per_lan_min": 33, "deckies_per_lan_max": 0,
        "bridge_forward_probability": "1", "cross_edge_probability": 1.5, "subnet_base_prefix": "10", "lan_prefix": 30,
        "randomize_services": 1, "services_explicit": {}, "dmz_gateway": "false", "seed": 1.0, "colour": null,
    });
    let invalid = read(&value).expect_err("faults");
    let fields: Vec<&str> = invalid.faults.iter().map(|fault| fault.field.as_str()).collect();
    let mut expected: Vec<&String> = value.as_object().expect("object").keys().collect();
    expected.sort();
    assert_eq!(json!(fields), json!(expected));
    assert!(
        invalid
            .to_string()
            .contains("depth: must be a whole number from 1 to 16, not \"3\""),
        "{invalid}"
    );
    assert_eq!(read(&json!([1])).expect_err("no object").faults[0].field, "*");
}

#[test]
fn a_built_config_has_the_same_bounds_as_a_parsed_one() {
    let wild = TopologyConfig::builder("", 17, 0)
        .deckies_per_lan(33, 0)
        .bridge_forward_probability(f64::NAN)
        .cross_edge_probability(-0.1)
        .subnet_base_prefix("300.1")
        .lan_prefix(30)
        .seed(1);
    let fields: Vec<String> = wild
        .build()
        .expect_err("faults")
        .faults
        .into_iter()
        .map(|fault| fault.field)
        .collect();
    let all = [
        "branching_factor",
        "bridge_forward_probability",
        "cross_edge_probability",
        "deckies_per_lan_max",
        "deckies_per_lan_min",
        "depth",
        "lan_prefix",
        "name",
        "subnet_base_prefix",
    ];
    assert_eq!(fields, all);
    let narrow = seeded(1, 1)
        .subnet_base_prefix("10.0.0.0/25")
        .build()
        .expect_err("faults");
    assert_eq!(narrow.faults[0].field, "subnet_base_prefix");
    let none: [&str; 0] = [];
    assert_eq!(
        seeded(1, 1).services_explicit(none).build().expect_err("faults").faults[0].field,
        "*"
    );
}

#[test]
fn a_seed_is_drawn_once_and_then_stored() {
    let value = json!({"name": "x", "depth": 1, "branching_factor": 1});
    let drawn = TopologyConfig::from_value(&value, &Catalog::builtin(), || 9).expect("config");
    assert_eq!(drawn.seed(), 9);
    let stored = serde_json::to_value(&drawn).expect("json");
    assert_eq!(stored["seed"], 9);
    assert!(
        serde_json::from_value::<TopologyConfig>(value).is_err(),
        "a stored config has its seed"
    );
    let systems = TopologyConfig::builder("x", 1, 1).build().expect("config");
    assert_ne!(
        systems.seed(),
        TopologyConfig::builder("x", 1, 1).build().expect("config").seed()
    );
}

proptest! {
    #[test]
    fn a_stored_config_is_read_back_unchanged(config in strategies::configs()) {
        let text = serde_json::to_string(&config).expect("json");
        prop_assert_eq!(serde_json::from_str::<TopologyConfig>(&text).expect("config"), config.clone());
        let value = serde_json::to_value(&config).expect("json");
        prop_assert_eq!(read(&value).expect("config"), config);
    }
}

#[test]
fn the_schema_names_every_field_and_its_bounds() {
    let schema = serde_json::to_value(schemars::schema_for!(TopologyConfig)).expect("json");
    // No config has both `services` and `services_explicit`.
    let stored = |config: ConfigBuilder| serde_json::to_value(config.build().expect("config")).expect("json");
    let explicit = stored(seeded(1, 1).services_explicit(["ssh"]).naming(Naming::Realistic));
    let drawn = stored(seeded(1, 1).services(ServiceChoice::Archetypes));
    let fields = |value: &Value| {
        value
            .as_object()
            .expect("object")
            .keys()
            .cloned()
            .collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(fields(&schema["properties"]), &fields(&explicit) | &fields(&drawn));
    assert_eq!(schema["required"], json!(["name", "depth", "branching_factor"]));
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(
        (
            &schema["properties"]["depth"]["maximum"],
            &schema["properties"]["lan_prefix"]["default"]
        ),
        (&json!(16), &json!(24))
    );
}
