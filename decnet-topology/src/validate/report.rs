use std::ops::Deref;

use serde::Serialize;

use crate::{
    finding::{Finding, Severity, capped},
    model::Topology,
};

/// The rules that a topology is validated against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleSet {
    shape: bool,
}

impl RuleSet {
    /// Every rule.
    pub const fn deploy() -> Self {
        Self { shape: true }
    }

    /// Every rule, but those of shape (`DMZ_*`, `DECKY_ORPHAN`), which may fail between two live edits, only warn.
    pub const fn live() -> Self {
        Self { shape: false }
    }

    /// Returns whether findings on the maze's shape are errors.
    pub const fn shape_is_error(self) -> bool {
        self.shape
    }

    /// Returns whether a topology that passed this set passed the other as well.
    pub const fn covers(self, other: Self) -> bool {
        self.shape || !other.shape
    }
}

/// The findings of the rules, in a stable order: errors first, then by code, target and text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Report {
    findings: Vec<Finding>,
}

impl Report {
    /// Sorts findings; equal ones count once. Of each code,
    /// [`MAX_LISTED`](crate::finding::MAX_LISTED) are listed, and one more says how many are not.
    pub fn new(mut findings: Vec<Finding>) -> Self {
        findings.sort();
        // Of what is not listed, two equal counts are two.
        findings.dedup_by(|one, other| one == other && one.count_of_more().is_none());
        let mut findings = capped(findings);
        // How many more there are comes after those that are listed.
        findings.sort_by_key(|finding| (finding.severity, finding.code, finding.count_of_more()));
        Self { findings }
    }

    /// Counts the findings of a severity, those that are not listed too.
    pub fn count(&self, severity: Severity) -> u64 {
        let of_it = self.findings.iter().filter(|finding| finding.severity == severity);
        of_it.map(Finding::count).sum()
    }

    /// Returns what was found.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Walks the errors.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
    }

    /// Walks the warnings.
    pub fn warnings(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| finding.severity == Severity::Warning)
    }

    /// Returns whether there is no error; there may be warnings.
    pub fn is_clean(&self) -> bool {
        self.errors().next().is_none()
    }

    /// Says how many rules are broken, and the first of them, for the text of an error.
    pub(crate) fn broken(&self) -> String {
        let first = self.errors().next().map(ToString::to_string).unwrap_or_default();
        match self.count(Severity::Error) {
            1 => format!("1 rule: {first}"),
            count => format!("{count} rules, the first: {first}"),
        }
    }
}

/// The refusal of a topology that breaks rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the topology breaks {}", .report.broken())]
pub struct Invalid {
    /// What was found.
    pub report: Report,
}

impl Invalid {
    /// Returns a stable code for programs.
    pub const fn code(&self) -> &'static str {
        "invalid"
    }
}

/// A topology that passed a rule set.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidTopology {
    topology: Topology,
    rules: RuleSet,
    report: Report,
}

impl ValidTopology {
    /// Only [`Topology::validate_in`] makes one, of a clean report.
    pub(crate) fn new(topology: Topology, rules: RuleSet, report: Report) -> Self {
        debug_assert!(report.is_clean());
        Self {
            topology,
            rules,
            report,
        }
    }

    /// Returns the rules that it passed.
    pub fn rules(&self) -> RuleSet {
        self.rules
    }

    /// Returns the warnings that it passed with.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Returns the topology.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Returns the topology, without the proof.
    pub fn into_topology(self) -> Topology {
        self.topology
    }
}

impl Deref for ValidTopology {
    type Target = Topology;

    fn deref(&self) -> &Topology {
        &self.topology
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Code, Target};

    #[test]
    fn an_error_of_a_report_counts_the_rules_and_names_the_first() {
        let of = |text: &str| Finding::new(Code::NameInvalid, Target::Topology, text);
        let one = Report::new(vec![of("x")]);
        assert!(
            one.broken().starts_with("1 rule: error NAME_INVALID: "),
            "{}",
            one.broken()
        );
        let two = Report::new(vec![of("x"), of("y")]);
        assert!(
            two.broken().starts_with("2 rules, the first: error NAME_INVALID: "),
            "{}",
            two.broken()
        );
    }
}
