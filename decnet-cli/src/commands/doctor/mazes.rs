//! Whether the host lets the packets of mazes that are up pass, and shows who comes to their published ports.

use std::sync::Arc;

use decnet_engine::engine::{Engine, VerifyReport};
use decnet_topology::{Repo, TopologyRow, repo::ListFilter};

use super::check::Check;
use crate::{
    command_error::CommandError,
    context::{Context, EngineWishes},
};

const WHAT: &str = "host";

/// Looks at each maze that is up.
pub(super) async fn checks(context: &Context, repo: Arc<dyn Repo>) -> Vec<Check> {
    match look(context, repo).await {
        Ok(checks) => checks,
        Err(error) => vec![Check::warn(
            WHAT,
            format!("what it does to mazes could not be looked at: {}", error.in_full()),
            error.advice(),
        )],
    }
}

async fn look(context: &Context, repo: Arc<dyn Repo>) -> Result<Vec<Check>, CommandError> {
    let page = repo.list(&ListFilter::default()).await?;
    let up: Vec<_> = page.rows.into_iter().filter(TopologyRow::takes_mutations).collect();
    if up.is_empty() {
        return Ok(Vec::new());
    }
    let engine: Engine = context
        .engine_on(repo, context.catalog()?, EngineWishes::default())
        .await?;
    let mut checks = Vec::new();
    for row in up {
        let name = row.name.as_str();
        match engine.check_host(row.id).await {
            Ok(report) => checks.extend(tell(name, &report)),
            Err(error) => {
                let error = CommandError::from(error);
                checks.push(Check::warn(
                    WHAT,
                    format!("{name}: {}", error.in_full()),
                    error.advice(),
                ));
            }
        }
    }
    Ok(checks)
}

/// Says what was found of one maze.
fn tell(name: &str, report: &VerifyReport) -> Vec<Check> {
    let hidden = report.deviations.iter().map(|deviation| {
        let message = format!("{name}: {} at {}: {}", deviation.to, deviation.address, deviation.how);
        Check::warn(WHAT, message, format!("`decnet verify {name}` tells more"))
    });
    let causes = report
        .causes
        .iter()
        .map(|cause| Check::warn(WHAT, format!("{name}: {} ({})", cause.message, cause.code), &cause.fix));
    let mut checks: Vec<_> = hidden.chain(causes).collect();
    if checks.is_empty() {
        let skipped = report.skipped.first();
        let but = skipped.map(|path| format!(", but {}", path.why)).unwrap_or_default();
        checks.push(Check::ok(WHAT, format!("lets the packets of {name} pass{but}")));
    }
    checks
}

#[cfg(test)]
mod tests {
    use decnet_engine::engine::{PathEnd, Reach, ReachDeviation};

    use super::*;
    use crate::commands::doctor::check::Verdict;

    #[test]
    fn a_maze_whose_visitors_are_hidden_is_warned_of() {
        assert_eq!(tell("corp", &VerifyReport::default())[0].verdict, Verdict::Ok);
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
        let checks = tell("corp", &report);
        assert_eq!(checks[0].verdict, Verdict::Warn);
        assert_eq!(checks[0].message, "corp: web at 10.0.0.1: published tcp/22: hidden");
    }
}
