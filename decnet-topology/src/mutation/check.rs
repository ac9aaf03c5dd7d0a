use crate::{
    model::Topology,
    mutation::{MutationContext, MutationError},
    validate::{RuleSet, Surroundings, ValidTopology},
};

/// Refuses a maze that breaks a live rule.
pub(super) fn check(after: Topology, context: &MutationContext<'_>) -> Result<ValidTopology, MutationError> {
    let surroundings = Surroundings {
        claims: context.claims,
        publish: context.publish,
        host: None,
    };
    after
        .validate_in(context.catalog, RuleSet::live(), surroundings)
        .map_err(|invalid| MutationError::ResultInvalid { report: invalid.report })
}
