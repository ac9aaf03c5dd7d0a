use decnet_engine::VerifyReport;
use tokio_util::sync::CancellationToken;

use crate::{command_error::CommandError, context::Context, exit::Exit, globals::EngineFlags, lookup, table};

/// Verify from inside the deckies that a maze works as declared.
///
/// Every decky must reach exactly the deckies that the maze lets it reach, and nothing else: not the host, not the outside, not
/// Docker's resolver. Its interfaces must match the maze, and every service must run and answer on its ports. The maze must be
/// active or degraded. The command changes nothing, prints all deviations, and exits with status 1 if there are any.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet verify corp\n  \
                        decnet verify corp --json")]
pub(crate) struct Arguments {
    /// The maze's name, its id, or the start of its id.
    topology: String,
}

/// Verifies a maze.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let (engine, row) = lookup::engine(context, &arguments.topology, EngineFlags::default()).await?;
    let report = engine.verify(row.id, &CancellationToken::new()).await?;
    if context.output.json {
        context.output.json(&report)?;
    } else {
        context.output.data(&deviations(&report))?;
        let notes = report.limits().into_iter().chain([report.summary()]);
        for line in notes.chain(report.advice(&arguments.topology)) {
            context.output.note(line);
        }
    }
    Ok(if report.is_clean() { Exit::Done } else { Exit::Failed })
}

/// Prints the deviations, one line each; nothing if there are none.
fn deviations(report: &VerifyReport) -> String {
    if report.is_clean() {
        return String::new();
    }
    let rows = report.deviations.iter().map(|deviation| {
        [
            deviation.from.to_string(),
            deviation.to.to_string(),
            deviation.address.to_string(),
            deviation.expected.to_string(),
            deviation.found.to_string(),
            deviation.how.clone(),
        ]
    });
    table::rows(["FROM", "TO", "ADDRESS", "EXPECTED", "FOUND", "HOW"], rows)
}

#[cfg(test)]
mod tests {
    use decnet_engine::{PathEnd, Reach, ReachDeviation};

    use super::*;

    #[test]
    fn deviations_are_printed_one_per_line() {
        let deviation = |to, found, how: &str| ReachDeviation {
            from: PathEnd::Decky("web-01".parse().unwrap()),
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
                    PathEnd::Decky("db".parse().unwrap()),
                    Reach::Reachable,
                    "tcp/22: answered",
                ),
                deviation(PathEnd::Outside, Reach::Unknown, "not tried"),
            ],
            ..VerifyReport::default()
        };
        insta::assert_snapshot!(deviations(&report), @r"
        FROM    TO         ADDRESS   EXPECTED     FOUND      HOW
        web-01  db         10.0.1.9  unreachable  reachable  tcp/22: answered
        web-01  (outside)  10.0.1.9  unreachable  unknown    not tried
        ");
        assert_eq!(report.summary(), "2 deckies, 9 probes: 2 deviations");
        assert_eq!(deviations(&VerifyReport::default()), "");
    }
}
