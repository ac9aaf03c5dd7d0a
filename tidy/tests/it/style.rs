use decnet_tidy::{Breach, Source, style, workspace_sources};

use crate::{none, said};

fn workspace(rule: fn(&Source) -> Vec<Breach>) -> Vec<Breach> {
    workspace_sources().iter().flat_map(rule).collect()
}

fn source(text: &str) -> Source {
    Source::new("decnet-engine/src/plan/diff.rs", text)
}

#[test]
fn the_rules_read_the_whole_workspace() {
    let sources = workspace_sources();
    for path in [
        "decnet-topology/src/lib.rs",
        "decnet-engine/src/plan/diff.rs",
        "decnet-engine/decoy/src/main.rs",
        "decnet-py/src/lib.rs",
    ] {
        assert!(sources.iter().any(|source| source.path == path), "{path} was not read");
    }
}

#[test]
fn no_file_is_too_long() {
    none(&workspace(style::is_short));
}

#[test]
fn a_file_that_is_too_long_is_a_breach() {
    assert_eq!(style::is_short(&source(&"\n".repeat(style::LINES))), []);
    assert_eq!(style::is_short(&source(&"\n".repeat(style::LINES + 1))).len(), 1);
}

#[test]
fn names_carry_meaning() {
    none(&workspace(style::has_meaningful_names));
}

#[test]
fn a_name_without_meaning_is_a_breach() {
    let text = "struct PlanManager;\nmod utils {}\nstruct Helped;\nstruct Commons;";
    let breaches = style::has_meaningful_names(&source(text));
    let lines: Vec<usize> = said(&breaches).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [1, 2]);
    let file = Source::new("decnet-engine/src/plan/helpers.rs", "");
    assert_eq!(style::has_meaningful_names(&file).len(), 1);
}

#[test]
fn roots_have_only_docs_and_re_exports() {
    none(&workspace(style::has_its_code_in_modules));
}

#[test]
fn code_in_a_root_is_a_breach() {
    let root = |text: &str| style::has_its_code_in_modules(&Source::new("decnet-engine/src/lib.rs", text)).len();
    assert_eq!(root("//! Docs.\nmod plan;\npub use plan::Plan;"), 0);
    assert_eq!(root("mod plan;\nfn plan() {}"), 1);
    let module = |text: &str| style::has_its_code_in_modules(&Source::new("decnet-engine/src/plan/mod.rs", text)).len();
    assert_eq!(
        module(&"//! Docs.\n".repeat(style::MODULE_LINES + 1)),
        0,
        "docs count as code"
    );
    assert_eq!(module(&"use plan::Plan;\n".repeat(style::MODULE_LINES + 1)), 1);
}

#[test]
fn no_code_is_unfinished_and_only_tests_unwrap() {
    none(&workspace(style::is_done));
}

#[test]
fn unfinished_code_and_an_unwrap_are_breaches() {
    let text = "fn a() { todo!() }\nfn b() { c.unwrap(); }\nfn d() { println!(\"{}\", e.unwrap()) }\nfn f() { g.unwrap_or(1); }";
    let breaches = style::is_done(&source(text));
    let lines: Vec<usize> = said(&breaches).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [1, 2, 3]);
}

#[test]
fn a_test_may_unwrap() {
    let text = "#[test]\nfn a() { b.unwrap(); }\n#[cfg(test)]\nmod tests { fn c() { d.unwrap(); } }";
    assert_eq!(style::is_done(&source(text)), []);
    let file = Source::new("decnet-engine/tests/it/plan.rs", "fn a() { b.unwrap(); }");
    assert_eq!(style::is_done(&file), []);
}

#[test]
fn tests_that_need_docker_are_marked_and_no_other_test_is_ignored() {
    none(&workspace(style::marks_docker_tests));
}

#[test]
fn a_test_ignored_for_another_reason_is_a_breach() {
    let text = "#[test]\n#[ignore]\nfn a() {}\n#[test]\n#[ignore = \"slow\"]\nfn b() {}\n#[test]\n#[ignore = \"needs Docker\"]\nfn c() {}";
    let breaches = style::marks_docker_tests(&source(text));
    let lines: Vec<usize> = said(&breaches).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [3, 6]);
}

#[test]
fn a_docker_test_that_is_not_marked_is_a_breach() {
    let text = "#[tokio::test]\nasync fn a() {}";
    let file = Source::new("decnet-engine/tests/it/docker/deploy.rs", text);
    assert_eq!(style::marks_docker_tests(&file).len(), 1);
    let driver = Source::new("decnet-engine/src/runtime/docker/host.rs", text);
    assert_eq!(
        style::marks_docker_tests(&driver),
        [],
        "the driver's own tests are pure"
    );
}
