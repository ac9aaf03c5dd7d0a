use crate::{
    model::Topology,
    mutation::{Context, MutationError},
    validate::{RuleSet, Surroundings, validate_in},
};

/// Refuses a maze that breaks a live rule.
pub(super) fn check(after: &Topology, context: &Context<'_>) -> Result<(), MutationError> {
    let surroundings = Surroundings {
        claims: context.claims,
        publish: context.publish,
        host: None,
    };
    let report = validate_in(after, context.catalog, RuleSet::live(), surroundings);
    if report.is_clean() {
        Ok(())
    } else {
        Err(MutationError::ResultInvalid { report })
    }
}
