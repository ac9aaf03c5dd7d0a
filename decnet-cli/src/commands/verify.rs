use decnet_engine::engine::VerifyReport;
use tokio_util::sync::CancellationToken;

use crate::{
    command_error::CommandError,
    context::{Context, EngineWishes},
    exit::Exit,
    lookup, table, text,
};

/// Check from inside the deckies that a maze is as it says.
///
/// Every decky must reach the others that the maze lets it reach, and nothing else: not the host, not the outside, not Docker's
/// resolver. The maze must be up: active or degraded. Changes nothing. Leaves with 1 if anything deviates, and prints what.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The maze's name, its id, or the beginning of its id.
    topology: String,
}

/// Verifies a maze.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let engine = context.engine(EngineWishes::default()).await?;
    let row = lookup::find(engine.repo().as_ref(), &arguments.topology).await?;
    let report = engine.verify(row.id, &CancellationToken::new()).await?;
    if context.output.json {
        context.output.json(&report)?;
    } else {
        context.output.data(&deviations(&report))?;
        for path in &report.skipped {
            context
                .output
                .note(format!("not tried: {} to {}: {}", path.from, path.to, path.why));
        }
        context.output.note(summary(&report));
        if !report.is_clean() {
            context
                .output
                .note("`decnet plan` shows what Docker has come to differ in, `decnet reconcile` mends it");
        }
    }
    Ok(if report.is_clean() { Exit::Done } else { Exit::Failed })
}

/// Prints what deviates, a line each; nothing where nothing does.
fn deviations(report: &VerifyReport) -> String {
    if report.is_clean() {
        return String::new();
    }
    let mut table = table::table(["FROM", "TO", "ADDRESS", "EXPECTED", "FOUND", "HOW"]);
    for deviation in &report.deviations {
        table.add_row([
            deviation.from.to_string(),
            deviation.to.to_string(),
            deviation.address.to_string(),
            deviation.expected.to_string(),
            deviation.found.to_string(),
            deviation.how.clone(),
        ]);
    }
    table::lines(&table)
}

fn summary(report: &VerifyReport) -> String {
    let tried = format!(
        "{}, {}",
        text::count(report.deckies, "decky", "deckies"),
        text::count(report.probes, "probe", "probes")
    );
    match report.deviations.len() {
        0 => format!("{tried}: all is as the maze says"),
        some => format!("{tried}: {}", text::count(some, "deviation", "deviations")),
    }
}

#[cfg(test)]
mod tests {
    use decnet_engine::engine::{Place, Reach, ReachDeviation};

    use super::*;

    #[test]
    fn what_deviates_is_a_line_each() {
        let deviation = |to, found, how: &str| ReachDeviation {
            from: Place::Decky("web-01".parse().unwrap()),
            to,
            address: [10, 0, 1, 9].into(),
            expected: Reach::Unreachable,
            found,
            how: how.into(),
        };
        let report = VerifyReport {
            deckies: 2,
            probes: 9,
            deviations: vec![
                deviation(
                    Place::Decky("db".parse().unwrap()),
                    Reach::Reachable,
                    "tcp/22: answered",
                ),
                deviation(Place::Outside, Reach::Unknown, "not tried"),
            ],
            ..VerifyReport::default()
        };
        insta::assert_snapshot!(deviations(&report), @r"
        FROM    TO         ADDRESS   EXPECTED     FOUND      HOW
        web-01  db         10.0.1.9  unreachable  reachable  tcp/22: answered
        web-01  (outside)  10.0.1.9  unreachable  unknown    not tried
        ");
        assert_eq!(summary(&report), "2 deckies, 9 probes: 2 deviations");
        assert_eq!(deviations(&VerifyReport::default()), "");
    }
}
