use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
    time::Duration,
};

use decnet_engine::{CancellationToken, Engine, Event, Received, WatchOptions, watch};
use decnet_topology::{Repo, TopologyId, name_of};

use crate::{command_error::CommandError, context::Context, exit::Exit, globals::Workers, interrupt, output::Output};

/// Apply queued mutations and reconcile unhealthy mazes, continuously.
///
/// It also follows the logs of all containers and publishes what attackers do: with a bus (`decnet bus`), `decnet events` prints
/// it. It runs until it is interrupted. Then it finishes started work and releases its leases.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet watch\n  \
                        decnet watch --no-attackers")]
pub(crate) struct Arguments {
    /// How often to check all mazes, in addition to events: 10s, 1m.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = crate::duration::read_duration)]
    poll: Duration,
    /// Do not follow the logs of the containers. `decnet events` then has no events about attackers.
    #[arg(long)]
    no_attackers: bool,
    #[command(flatten)]
    workers: Workers,
}

/// Watches all mazes until it is interrupted.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let cancel = interrupt::catch_with_message("stopping: finishing started work and releasing leases")?;
    let options = WatchOptions::default()
        .poll(arguments.poll)
        .attackers(!arguments.no_attackers);
    context.output.note("watching; Ctrl-C stops");
    let engine = context.engine(arguments.workers.into()).await?;
    watch_with(engine, &options, &cancel, context.output).await?;
    Ok(Exit::Done)
}

/// Watches all mazes until it is cancelled, and prints events.
async fn watch_with(
    engine: Engine,
    options: &WatchOptions,
    cancel: &CancellationToken,
    output: Output,
) -> Result<(), CommandError> {
    let mut events = engine.events();
    let repo = Arc::clone(engine.repo());
    let reporter = tokio::spawn(async move {
        let mut names = BTreeMap::new();
        while let Some(received) = events.recv().await {
            say(output, &received, &mut names, repo.as_ref()).await;
        }
    });
    let result = watch(&engine, options, cancel).await;
    // The events end when the engine is dropped, so the last ones are printed before.
    drop(engine);
    let _ = reporter.await;
    Ok(result?)
}

/// Prints an event: a line of text, or JSON.
async fn say(output: Output, received: &Received, names: &mut BTreeMap<TopologyId, String>, repo: &dyn Repo) {
    let Received::Event(envelope) = received else { return };
    if output.json {
        // The watch continues even if its output is closed.
        let _ = output.json_line(envelope);
        return;
    }
    let (Event::Status { .. } | Event::Mutation { .. } | Event::Attacker { .. }) = &envelope.event else {
        return;
    };
    let Some(line) = envelope.event.describe(false) else {
        return;
    };
    let Some(id) = envelope.event.topology() else {
        return output.note(line);
    };
    if let Entry::Vacant(entry) = names.entry(id) {
        entry.insert(name_of(repo, id).await);
    }
    output.note(format!("{} {line}", names[&id]));
}
