use decnet_topology::{Repo, Status, TopologyFilter, TopologyRow};

use super::{Check, Verdict};
use crate::engine::{Engine, VerifyReport};

const WHAT: &str = "host";

/// Lists the stored mazes that are degraded.
pub async fn check_statuses(repo: &dyn Repo) -> Vec<Check> {
    match repo.list(&TopologyFilter::default().statuses([Status::Degraded])).await {
        Ok(page) => page.rows.iter().map(of_degraded).collect(),
        Err(error) => vec![Check::error(Verdict::Fail, "database", "", error)],
    }
}

/// Checks whether the host forwards the packets of running mazes, and whether visitors of published ports are visible.
pub async fn check_hosts(engine: &Engine) -> Vec<Check> {
    let rows = match engine.repo().list(&TopologyFilter::default()).await {
        Ok(page) => page.rows,
        Err(error) => return vec![Check::error(Verdict::Fail, "database", "", error)],
    };
    let mut checks = Vec::new();
    for row in rows.iter().filter(|row| row.takes_mutations()) {
        let name = row.name.as_str();
        match engine.check_host(row.id).await {
            Ok(report) => checks.extend(of_report(name, &report)),
            Err(error) => checks.push(Check::error(Verdict::Warn, WHAT, &format!("{name}: "), error)),
        }
    }
    checks
}

fn of_degraded(row: &TopologyRow) -> Check {
    let name = &row.name;
    let hint = format!("`decnet reconcile {name}` repairs it, `decnet show {name}` shows why");
    Check::warn("mazes", format!("{name} is degraded"), hint)
}

/// Converts the report about one maze to checks.
fn of_report(name: &str, report: &VerifyReport) -> Vec<Check> {
    let hidden = report.deviations.iter().map(|deviation| {
        let message = format!("{name}: {} at {}: {}", deviation.to, deviation.address, deviation.how);
        Check::warn(WHAT, message, format!("`decnet verify {name}` shows more"))
    });
    let causes = report.causes.iter().map(|cause| {
        Check::warn(
            WHAT,
            format!("{name}: {} ({})", cause.message, cause.code),
            cause.fix.clone(),
        )
    });
    let mut checks: Vec<_> = hidden.chain(causes).collect();
    if checks.is_empty() {
        let skipped = report.skipped.first();
        let but = skipped.map(|path| format!(", but {}", path.why)).unwrap_or_default();
        checks.push(Check::ok(WHAT, format!("forwards the packets of {name}{but}")));
    }
    checks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{PathEnd, Reach, ReachDeviation};

    #[test]
    fn a_maze_with_hidden_visitors_is_a_warning() {
        assert_eq!(of_report("corp", &VerifyReport::default())[0].verdict, Verdict::Ok);
        let report = VerifyReport {
            deviations: vec![ReachDeviation {
                from: PathEnd::Host,
                to: PathEnd::Decky("web".parse().expect("a name")),
                address: [10, 0, 0, 1].into(),
                expected: Reach::Reachable,
                found: Reach::Anonymous,
                how: "published tcp/22: hidden".into(),
            }],
            ..VerifyReport::default()
        };
        let checks = of_report("corp", &report);
        assert_eq!(checks[0].verdict, Verdict::Warn);
        assert_eq!(checks[0].message, "corp: web at 10.0.0.1: published tcp/22: hidden");
    }
}
