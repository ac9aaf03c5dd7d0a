use std::collections::BTreeSet;

use decnet_topology::{
    Catalog, RuleSet,
    document::{self, Syntax},
    validate::validate,
};

use crate::vectors::vectors;

#[test]
fn the_conformance_documents_break_exactly_the_listed_rules() {
    let catalog = Catalog::builtin();
    let mut failed = Vec::new();
    for row in vectors("validate.json") {
        let name = row["name"].as_str().expect("name");
        let draft = document::parse(row["topology"].to_string(), Syntax::Json).expect(name);
        let report = validate(&draft, &catalog, RuleSet::deploy());
        let found: BTreeSet<_> = report.errors().map(|finding| finding.code.as_str()).collect();
        let listed = row["errors"].as_array().expect("errors");
        let listed: BTreeSet<_> = listed.iter().map(|code| code.as_str().expect("code")).collect();
        let passed = match row["match"].as_str() {
            Some("exact") => found == listed,
            Some("contains") => found.is_superset(&listed),
            other => panic!("{name}: {other:?}"),
        };
        if !passed {
            failed.push(format!("{name}: expected {listed:?}, found {:#?}", report.findings()));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
