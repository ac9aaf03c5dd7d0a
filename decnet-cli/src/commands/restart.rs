use std::time::Duration;

use decnet_engine::{DeckyState, Engine, Inspection, Operation, Outcome, RestartOptions};
use decnet_topology::{DeckyPart, PlacementNames};

use super::{
    deploy::{self, Work},
    plan,
};
use crate::{
    command_error::CommandError, context::Context, duration::read_duration, exit::Exit, interrupt, lookup, table, text,
};

/// Restart a decky with all its services, or one service, and wait until it is well.
///
/// It is well when its containers keep running, its network matches the maze, and its services answer on their ports. Containers keep
/// their logs, and other deckies are left alone. A program in memory, such as that of an intruder, is gone afterwards.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet restart corp web-01\n  \
                        decnet restart corp web-01.ssh --wait 2m\n  \
                        decnet restart corp web-01 --dry-run")]
pub(crate) struct Arguments {
    /// The maze's name, its id, or the start of its id.
    topology: String,
    /// The decky, or one of its services: web-01, web-01.ssh.
    #[arg(value_name = "DECKY[.SERVICE]")]
    part: DeckyPart,
    /// How long to wait until it is well: 30s, 2m; a bare number is seconds.
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = read_duration)]
    wait: Duration,
    /// Options for work on Docker.
    #[command(flatten)]
    work: Work,
}

/// Restarts a decky or a service.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let Arguments {
        topology,
        part,
        wait,
        work,
    } = arguments;
    let (engine, row) = lookup::engine(context, &topology, work.engine).await?;
    let options = RestartOptions::new(part.clone()).wait(wait).force(work.force);
    if work.dry_run {
        return plan::dry_run(context, &engine, row.id, Operation::Restart(options)).await;
    }
    let cancel = interrupt::catch_with_message(
        "interrupted: finishing started steps; restart again or reconcile to do the others",
    )?;
    let outcome = deploy::with_progress(context, &engine, engine.restart(row.id, options, &cancel)).await?;
    print(context, &engine, &part, &outcome).await?;
    Ok(Exit::Done)
}

/// Prints the decky, and how the rest of the maze differs if it does.
async fn print(context: &Context, engine: &Engine, part: &DeckyPart, outcome: &Outcome) -> Result<(), CommandError> {
    let Inspection {
        stored, mut deckies, ..
    } = engine.inspect(outcome.row.id).await?;
    deckies.retain(|decky| decky.decky == part.decky);
    if context.output.json {
        return deploy::print_json(context, outcome, None, &deckies);
    }
    let placement = stored.row.placement.as_ref();
    let placement = placement.map(|placement| PlacementNames::new(&stored.topology, placement));
    let table = table::deckies(&deckies, true, DeckyState::address_text, placement.as_ref());
    context.output.data(&table)?;
    let changed = text::count(outcome.changed, "change", "changes");
    context
        .output
        .note(format!("{part} of {} was restarted: {changed}", stored.row.name));
    for warning in &outcome.warnings {
        context.output.note(warning.to_string());
    }
    if let Some(reason) = &outcome.reason {
        context
            .output
            .note(format!("the maze is {}: {reason}", outcome.row.status));
    }
    Ok(())
}
