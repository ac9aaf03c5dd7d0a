//! Executes operations on Docker, and prints their outcome.

use decnet_engine::{
    CancellationToken, DeckyState, DeployOptions, Engine, EngineError, Inspection, Observed, Outcome, Prepared,
    own_images,
};
use decnet_topology::{PlacementNames, Report as Findings, Status, TopologyId};
use jiff::Timestamp;
use serde::Serialize;

use super::changes::ChangeReport;
use crate::{
    command_error::CommandError, commands::plan::warn_of_lost, context::Context, exit::Exit, input::MazeFile,
    interrupt, output::Style, progress::ProgressReporter, table,
};

/// The outcome of an operation as JSON.
#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    outcome: &'a Outcome,
    #[serde(flatten)]
    change: Option<ChangeReport<'a>>,
    deckies: &'a [DeckyState],
}

/// Waits for an operation, and prints its progress meanwhile.
pub(crate) async fn with_progress(
    context: &Context,
    engine: &Engine,
    operation: impl Future<Output = Result<Outcome, EngineError>>,
) -> Result<Outcome, EngineError> {
    let reporter = ProgressReporter::start(engine, context.output);
    let result = operation.await;
    reporter.end().await;
    result
}

/// Prints an outcome as JSON, with the plan if it was shown, and deckies.
pub(crate) fn print_json(
    context: &Context,
    outcome: &Outcome,
    shown: Option<&Prepared>,
    deckies: &[DeckyState],
) -> Result<(), CommandError> {
    context.output.json(&Report {
        outcome,
        change: shown.map(ChangeReport::of),
        deckies,
    })
}

/// Deploys a stored maze, which may be that of a file.
pub(super) async fn deploy(
    context: &Context,
    engine: &Engine,
    id: TopologyId,
    options: DeployOptions,
    file: Option<&MazeFile>,
) -> Result<Exit, CommandError> {
    let stored = engine.repo().load(id).await?;
    let services = own_images(&stored.topology, &engine.catalog().with_stored(&stored.row.catalog));
    let exit = execute(context, engine, async |cancel| engine.deploy(id, options, cancel).await)
        .await
        .map_err(|error| located(file, error))?;
    hint_at_own_images(context, &services);
    Ok(exit)
}

/// Gives the findings their places in the file, if the maze is that of a file.
pub(super) fn located(file: Option<&MazeFile>, error: CommandError) -> CommandError {
    match (file, error) {
        (Some(file), CommandError::Maze { findings, .. } | CommandError::Mutated { findings, .. }) => {
            file.refused(Findings::new(findings))
        }
        (_, error) => error,
    }
}

/// Notes that services with their own images need `decnet watch`.
pub(super) fn hint_at_own_images(context: &Context, services: &[String]) {
    if let Some(first) = services.first() {
        context.output.note(format!(
            "hint: {} (first: {first}). After a restart of the daemon such a service may stay exited; \
             `decnet watch` as a service starts it again: decnet-watch.service",
            crate::text::count(
                services.len(),
                "service has its own image",
                "services have their own images"
            )
        ));
    }
}

/// Executes an operation on Docker: prints its progress, interrupts it at a signal, and prints the outcome with the deckies.
pub(crate) async fn execute(
    context: &Context,
    engine: &Engine,
    operation: impl AsyncFnOnce(&CancellationToken) -> Result<Outcome, EngineError>,
) -> Result<Exit, CommandError> {
    execute_shown(context, engine, None, operation).await
}

/// Does the same with an operation whose plan was shown: the JSON output contains it.
pub(super) async fn execute_shown(
    context: &Context,
    engine: &Engine,
    shown: Option<&Prepared>,
    operation: impl AsyncFnOnce(&CancellationToken) -> Result<Outcome, EngineError>,
) -> Result<Exit, CommandError> {
    let cancel = match shown {
        Some(_) => interrupt::catch_with_message(
            "interrupted: finishing started steps; the change is stored, and `decnet watch` or the next command continues it",
        )?,
        None => interrupt::catch()?,
    };
    let outcome = with_progress(context, engine, operation(&cancel)).await?;
    print(context, engine, &outcome, shown).await?;
    // The maze does not match its desired state yet.
    Ok(if outcome.reason.is_some() {
        Exit::Failed
    } else {
        Exit::Done
    })
}

/// Prints the outcome of an operation with the deckies.
pub(crate) async fn print(
    context: &Context,
    engine: &Engine,
    outcome: &Outcome,
    shown: Option<&Prepared>,
) -> Result<(), CommandError> {
    let Inspection { stored, deckies, .. } = if outcome.row.is_on_hosts() && outcome.row.status == Status::TornDown {
        // Nothing is there, and the hosts may not be in the fleet any more.
        let stored = engine.repo().load(outcome.row.id).await?;
        Inspection::new(stored, &Observed::default(), Timestamp::now())
    } else {
        engine.inspect(outcome.row.id).await?
    };
    let row = &outcome.row;
    let reason = outcome.reason.as_deref();
    if context.output.json {
        print_json(context, outcome, shown, &deckies)?;
    } else {
        let placement = row.placement.as_ref();
        let placement = placement.map(|placement| PlacementNames::new(&stored.topology, placement));
        let table = table::deckies(&deckies, true, DeckyState::address_text, placement.as_ref());
        context.output.data(&table)?;
        let style = if reason.is_none() { Style::Good } else { Style::Warning };
        let status = context.output.paint(style, row.status.as_str());
        let changed = match outcome.changed {
            0 => "nothing to do".into(),
            changed => crate::text::count(changed, "change", "changes"),
        };
        if !context.output.quiet {
            let line = format!(
                "{} is {status}: {changed}",
                crate::text::one_line(stored.row.name.as_str())
            );
            crate::output::say(&line);
        }
        for warning in &outcome.warnings {
            context.output.note(warning.to_string());
        }
        warn_of_lost(context, &outcome.given_up);
        for volume in &outcome.kept_volumes {
            context.output.note(format!(
                "kept volume {volume}; `docker volume rm {volume}` removes it with its data"
            ));
        }
        if let Some(reason) = reason {
            context.output.note(format!("  {reason}"));
        }
    }
    Ok(())
}
