use decnet_tidy::{Source, cycles::cycles, workspace_sources};

use crate::{none, said};

const CRATES: [&str; 7] = [
    "decnet_topology",
    "decnet_engine",
    "decnet_decoy",
    "decnet_cli",
    "decnet_py",
    "decnet_examples",
    "decnet_benches",
];

#[test]
fn no_files_of_a_crate_import_each_other_in_a_cycle() {
    let sources = workspace_sources();
    let breaches: Vec<_> = CRATES.iter().flat_map(|krate| cycles(krate, &sources)).collect();
    none(&breaches);
}

fn file(path: &str, text: &str) -> Source {
    Source::new(&format!("decnet-engine/src/{path}.rs"), text)
}

#[test]
fn a_cycle_of_files_is_a_breach_on_each_of_its_imports() {
    let root = file(
        "plan/mod",
        "mod diff;\nmod step;\npub use diff::diff;\npub use step::Step;",
    );
    let step = file("plan/step", "use super::diff;\npub struct Step;");
    let ways = [
        "use super::Step;",
        "use super::step::Step;",
        "use crate::plan::Step;",
        "fn f(s: super::Step) {}",
    ];
    for text in ways {
        let breaches = cycles("decnet_engine", &[root.clone(), step.clone(), file("plan/diff", text)]);
        assert_eq!(
            said(&breaches),
            [
                (1, "an import of decnet-engine/src/plan/diff.rs closes a cycle"),
                (1, "an import of decnet-engine/src/plan/step.rs closes a cycle"),
            ],
            "{text}"
        );
    }
}

#[test]
fn a_file_that_uses_its_child_and_is_used_by_it_is_a_cycle() {
    let parent = file("plan", "mod diff;\nuse diff::diff;\npub struct Plan;");
    let child = file("plan/diff", "use super::Plan;\npub fn diff() {}");
    assert_eq!(cycles("decnet_engine", &[parent, child]).len(), 2);
}

#[test]
fn a_re_export_of_a_child_is_not_a_cycle() {
    let parent = file("plan", "mod diff;\npub use diff::diff;\npub struct Plan;");
    let child = file("plan/diff", "use super::Plan;\npub fn diff() {}");
    assert_eq!(cycles("decnet_engine", &[parent, child]), []);
}

#[test]
fn imports_of_tests_are_ignored() {
    let tests = "#[cfg(test)]\nmod tests { use super::super::step::Step; }";
    let sources = [file("plan/diff", tests), file("plan/step", "use super::diff::diff;")];
    assert_eq!(cycles("decnet_engine", &sources), []);
}
