use std::ops::Deref;

use serde::Serialize;

use crate::{
    finding::{Finding, Severity, capped},
    model::Topology,
};

/// A set of validation rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleSet {
    shape: bool,
}

impl RuleSet {
    /// All rules.
    pub const fn deploy() -> Self {
        Self { shape: true }
    }

    /// All rules; those of shape (`DMZ_*`, `DECKY_ORPHAN`), which may be broken between two live edits, only warn.
    pub const fn live() -> Self {
        Self { shape: false }
    }

    /// Returns whether findings on the maze's shape are errors.
    pub const fn shape_is_error(self) -> bool {
        self.shape
    }

    /// Returns whether a topology that passed this set also passed the other one.
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
    /// Sorts findings and removes duplicates. For each code, [`MAX_LISTED`](crate::finding::MAX_LISTED) are listed, and one more
    /// has the number of the others.
    pub fn new(mut findings: Vec<Finding>) -> Self {
        findings.sort();
        // Two equal counts of unlisted findings are both kept.
        findings.dedup_by(|one, other| one == other && one.count_of_more().is_none());
        let mut findings = capped(findings);
        // The counts of unlisted findings come after the listed ones.
        findings.sort_by_key(|finding| (finding.severity, finding.code, finding.count_of_more()));
        Self { findings }
    }

    /// Counts the findings of a severity, including those that are not listed.
    pub fn count(&self, severity: Severity) -> u64 {
        let of_it = self.findings.iter().filter(|finding| finding.severity == severity);
        of_it.map(Finding::count).sum()
    }

    /// Returns the findings.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Returns the findings.
    pub fn into_findings(self) -> Vec<Finding> {
        self.findings
    }

    /// Walks the errors.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
    }

    /// Returns only the errors.
    pub fn into_errors(self) -> Vec<Finding> {
        let is_error = |finding: &Finding| finding.severity == Severity::Error;
        self.findings.into_iter().filter(is_error).collect()
    }

    /// Walks the warnings.
    pub fn warnings(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| finding.severity == Severity::Warning)
    }

    /// Returns whether there are no errors; there may be warnings.
    pub fn is_clean(&self) -> bool {
        self.errors().next().is_none()
    }

    /// Describes how many rules are broken, with the first one, for the text of an error.
    pub(crate) fn broken(&self) -> String {
        let first = self.errors().next().map(ToString::to_string).unwrap_or_default();
        match self.count(Severity::Error) {
            1 => format!("1 rule: {first}"),
            count => format!("{count} rules, the first: {first}"),
        }
    }
}

/// The error for a topology that breaks rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the maze breaks {}", .report.broken())]
pub struct InvalidTopology {
    /// The findings.
    pub report: Report,
}

impl InvalidTopology {
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
    /// Only [`Topology::validate_in`] creates one, from a report without errors.
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

    /// Returns its warnings.
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
    fn the_summary_of_a_report_counts_the_broken_rules_and_names_the_first() {
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
