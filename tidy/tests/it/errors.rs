use decnet_tidy::{Source, errors, workspace_sources};

use crate::{none, said};

#[test]
fn every_error_of_a_library_has_a_code() {
    let breaches: Vec<_> = workspace_sources().iter().flat_map(errors::have_codes).collect();
    none(&breaches);
}

#[test]
fn an_error_without_a_code_is_a_breach() {
    let error = "#[derive(Debug, thiserror::Error)]\npub enum PlanError {}\n";
    let breaches_of = |text: &str| errors::have_codes(&Source::new("decnet-engine/src/plan/step.rs", text));
    assert_eq!(said(&breaches_of(error)), [(2, "`PlanError` needs a method `code`")]);
    assert_eq!(
        breaches_of(&format!("{error}impl PlanError {{ fn code(&self) {{}} }}")).len(),
        1
    );
    assert_eq!(
        breaches_of(&format!("{error}impl Code for PlanError {{ fn code(&self) {{}} }}")).len(),
        1
    );
    assert_eq!(
        breaches_of(&format!("{error}impl PlanError {{ pub fn code(&self) {{}} }}")),
        []
    );
    assert_eq!(
        breaches_of("#[derive(Debug, thiserror::Error)]\npub(crate) enum PlanError {}"),
        []
    );
}
