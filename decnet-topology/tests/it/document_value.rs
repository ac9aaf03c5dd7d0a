//! Maze files given as JSON values instead of texts.

use decnet_topology::{Catalog, Code, Syntax, Target, TopologyConfig, document, document::MAX_DEPTH};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::strategies;

proptest! {
    #[test]
    fn a_draft_is_read_back_from_its_value_which_equals_the_printed_json(draft in strategies::draft()) {
        let value = document::to_value(&draft);
        let printed: Value = serde_json::from_str(&document::print(&draft, Syntax::Json)).expect("JSON");
        prop_assert_eq!(&value, &printed);
        prop_assert_eq!(document::from_value(&value), Ok(draft));
    }
}

#[test]
fn a_value_has_the_same_faults_as_its_text_but_without_lines_and_columns() {
    let value = json!({
        "format": "decnet.topology/1", "name": "corp", "colour": "blue",
        "lans": [{"name": "dmz", "dmz": "true", "subnett": null}],
    });
    let of_value = document::from_value(&value).expect("a document").findings;
    let mut of_text = document::parse(value.to_string(), Syntax::Json)
        .expect("a document")
        .findings;
    for finding in &mut of_text {
        assert_eq!(finding.place.take().map(|place| place.line), Some(1));
        if let Target::Document { line, column, .. } = &mut finding.target {
            assert_eq!((line.take(), column.take().is_some()), (Some(1), true));
        }
    }
    let sorted = |mut findings: Vec<_>| {
        findings.sort();
        findings
    };
    assert_eq!(of_value.len(), 3);
    assert_eq!(sorted(of_value), sorted(of_text));
}

#[test]
fn a_value_that_is_too_deep_or_of_another_format_is_refused() {
    let mut deep = json!([]);
    for _ in 0..MAX_DEPTH {
        deep = json!([deep]);
    }
    let value = json!({"format": "decnet.topology/1", "name": "a", "other": deep});
    let codes = |value: &Value| {
        let refused = document::from_value(value).expect_err("refused");
        refused
            .findings
            .into_iter()
            .map(|finding| finding.code)
            .collect::<Vec<_>>()
    };
    assert_eq!(codes(&value), [Code::DocSyntax]);
    assert_eq!(codes(&json!({"format": "decnet.topology/2"})), [Code::DocFormat]);
    assert_eq!(codes(&json!([])), [Code::DocFormat]);
}

#[test]
fn a_mistyped_field_of_a_config_gets_a_suggestion() {
    let value = json!({"name": "x", "depth": 1, "branching_facto": 1});
    let refused = TopologyConfig::from_value(&value, &Catalog::builtin(), || 1).expect_err("refused");
    let faults: Vec<_> = refused.faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        faults,
        [
            "branching_facto: is not a field of a config (did you mean `branching_factor`?)",
            "branching_factor: is required"
        ]
    );
}
