//! Text about a verification for people.

use decnet_topology::shown::count;

use super::VerifyReport;
use crate::runtime::DISTRUST;

/// How many steps are listed.
const LISTED: usize = 5;

impl VerifyReport {
    /// Describes the size and the result of the verification in one line.
    pub fn summary(&self) -> String {
        let deckies = count(self.deckies, "decky", "deckies");
        let probes = count(self.probes, "probe", "probes");
        let result = if self.is_clean() {
            "everything matches the maze".into()
        } else if self.unseen.is_empty() {
            count(self.deviations.len(), "deviation", "deviations")
        } else {
            let unseen = count(self.unseen.len(), "unseen host", "unseen hosts");
            format!("{}, {unseen}", count(self.deviations.len(), "deviation", "deviations"))
        };
        format!("{deckies}, {probes}: {result}")
    }

    /// Describes the paths that were not probed and the checks that were made only from inside, one line each.
    pub fn limits(&self) -> Vec<String> {
        let skipped = self
            .skipped
            .iter()
            .map(|path| format!("not tried: {} to {}: {}", path.from, path.to, path.why));
        let inside = self.inside_only.iter().map(|only| {
            let deckies = count(only.deckies, "decky was", "deckies were");
            format!("{deckies} only checked from inside: {}", only.why)
        });
        skipped.chain(inside).collect()
    }

    /// Describes the drift and the causes on the host, and how to fix them. The hints name `decnet` commands.
    pub fn advice(&self, maze: &str) -> Vec<String> {
        let mut lines = unseen_advice(&self.unseen);
        if !self.drift.is_empty() {
            let steps = count(self.drift.len(), "step", "steps");
            let listed: Vec<_> = self.drift.iter().take(LISTED).map(String::as_str).collect();
            let more = if self.drift.len() > LISTED { "; ..." } else { "" };
            lines.push(format!("drift: {}{more}", listed.join("; ")));
            lines.push(format!(
                "`decnet reconcile {maze}` fixes it in {steps}, `decnet plan {maze}` shows all of them"
            ));
        }
        for cause in &self.causes {
            lines.push(format!("cause: {} ({})", cause.message, cause.code));
            lines.push(format!("fix: {}", cause.fix));
        }
        lines
    }
}

/// Says which hosts do not answer, and what to do.
pub(in crate::engine) fn unseen_advice(unseen: &[String]) -> Vec<String> {
    let mut lines = unseen.to_vec();
    if lines.iter().any(|line| line.contains(DISTRUST)) {
        lines.push(
            "check the clocks; if the certificate of the host has expired, or the authority was replaced while it was off, let it join again: `decnet host enroll`"
                .into(),
        );
    }
    if !lines.is_empty() {
        lines.push(
            "nothing is planned or verified there until it answers: start the host or its agent, `decnet host list` shows both"
                .into(),
        );
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::{
        super::{InsideOnly, PathEnd, SkippedPath},
        *,
    };

    #[test]
    fn a_clean_report_has_a_summary_and_no_advice() {
        let report = VerifyReport {
            deckies: 1,
            probes: 9,
            ..VerifyReport::default()
        };
        assert_eq!(report.summary(), "1 decky, 9 probes: everything matches the maze");
        assert!(report.advice("corp").is_empty() && report.limits().is_empty());
    }

    #[test]
    fn an_unseen_host_is_named_and_reconcile_is_not_advised() {
        let report = VerifyReport {
            deckies: 1,
            probes: 9,
            unseen: vec!["host west is unseen: no answer".into()],
            ..VerifyReport::default()
        };
        assert!(!report.is_clean());
        assert_eq!(report.summary(), "1 decky, 9 probes: 0 deviations, 1 unseen host");
        let advice = report.advice("corp");
        assert_eq!(advice[0], "host west is unseen: no answer");
        assert!(advice.len() == 2 && !advice[1].contains("reconcile"), "{advice:?}");
    }

    #[test]
    fn a_host_that_trusts_another_authority_has_to_join_again() {
        let untrusted = crate::RuntimeError::AgentUntrusted {
            host: "west".into(),
            address: "192.0.2.12:7378".into(),
            reason: "another authority issued it".into(),
        };
        let advice = unseen_advice(&[format!("host west is unseen: {untrusted}")]);
        assert_eq!(advice.len(), 3, "{advice:?}");
        assert!(advice[1].contains("join again: `decnet host enroll`"), "{advice:?}");
    }

    #[test]
    fn the_first_steps_of_a_drift_are_listed_and_all_are_counted() {
        let report = VerifyReport {
            drift: (1..=6).map(|number| format!("step {number}")).collect(),
            ..VerifyReport::default()
        };
        assert_eq!(report.summary(), "0 deckies, 0 probes: 0 deviations");
        assert_eq!(
            report.advice("corp"),
            [
                "drift: step 1; step 2; step 3; step 4; step 5; ...",
                "`decnet reconcile corp` fixes it in 6 steps, `decnet plan corp` shows all of them",
            ]
        );
    }

    #[test]
    fn the_limits_of_a_verification_are_described() {
        let report = VerifyReport {
            skipped: vec![SkippedPath {
                from: PathEnd::Host,
                to: PathEnd::Outside,
                why: "egress is open".into(),
            }],
            inside_only: vec![InsideOnly {
                why: "no access".into(),
                deckies: 2,
            }],
            ..VerifyReport::default()
        };
        assert_eq!(
            report.limits(),
            [
                "not tried: (host) to (outside): egress is open",
                "2 deckies were only checked from inside: no access",
            ]
        );
    }
}
