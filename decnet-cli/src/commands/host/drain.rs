use std::sync::Arc;

use decnet_engine::{Engine, EngineError, HostMazes, HostSummary, find_host};
use decnet_topology::{HostChange, HostRow, Repo, TopologyRow};
use jiff::Timestamp;

use crate::{
    command_error::{CommandError, Unmoved},
    commands::deploy,
    context::Context,
    exit::Exit,
    globals::EngineFlags,
};

/// Let a host get no more deckies, and with --move recreate its deckies on other hosts.
///
/// Without --move, what is on the host stays and runs on. A decky that moves is recreated, so visitors lose their connections. A maze that
/// cannot move does not stop the others; the command names it, with the reason.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet host drain east\n  \
                        decnet host drain east --move\n  \
                        decnet host drain east --undo")]
pub(super) struct Arguments {
    /// The name of the host, or its id.
    #[arg(value_name = "HOST")]
    name: String,
    /// Recreate its deckies on other hosts now.
    #[arg(long = "move")]
    moves: bool,
    /// Let it get deckies again.
    #[arg(long, conflicts_with = "moves")]
    undo: bool,
}

/// Drains a host.
pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let repo = context.repo().await?;
    let host = find_host(repo.as_ref(), &arguments.name).await?;
    let change = if arguments.undo {
        HostChange::Undrain
    } else {
        HostChange::Drain
    };
    let host = repo.change_host(host.id, change, Timestamp::now()).await?;
    let unmoved = if arguments.moves {
        move_all(context, &repo, &host).await?
    } else {
        Vec::new()
    };
    let mazes = HostMazes::read(repo.as_ref()).await?;
    let (count, movable) = (mazes.deckies(&host), mazes.movable(&host));
    let now = repo.now(Timestamp::now()).await?;
    context.output.either(&HostSummary::new(&host, count, now), || {
        let done = if arguments.undo {
            "gets deckies again"
        } else {
            "gets no more deckies"
        };
        format!("{} {done}\n", host.name)
    })?;
    if !arguments.undo && movable > 0 {
        context.output.note(format!(
            "{movable} deckies stay there; `decnet host drain {} --move` moves them",
            host.name
        ));
    }
    if unmoved.is_empty() {
        return Ok(Exit::Done);
    }
    let host = host.name.to_string();
    Err(CommandError::NotMoved { host, unmoved })
}

/// Recreates what is on a drained host on other hosts, and returns the mazes of which something may still be there. Only an interruption
/// stops it early.
async fn move_all(context: &Context, repo: &Arc<dyn Repo>, host: &HostRow) -> Result<Vec<Unmoved>, CommandError> {
    let mazes = HostMazes::read(repo.as_ref()).await?;
    let engine = context
        .engine_on(Arc::clone(repo), context.catalog()?, EngineFlags::default(), None)
        .await?;
    let mut unmoved = Vec::new();
    for row in mazes.on_host(host) {
        if row.is_for_agent_of(host.name.as_str()) {
            context.output.note(format!(
                "{} is for the agent of {} and does not move: tear it down, and deploy it with --agent on another host",
                row.name, host.name
            ));
            continue;
        }
        let error = match move_one(context, &engine, row, host).await {
            Ok(Exit::Done) => continue,
            // The reason was printed.
            Ok(_) => None,
            Err(error) => Some(Box::new(error.about(Some(row.name.as_str())))),
        };
        let is_interrupted = error.as_ref().is_some_and(|error| error.exit() == Exit::Interrupted);
        let maze = row.name.to_string();
        unmoved.push(Unmoved { maze, error });
        if is_interrupted {
            break;
        }
    }
    Ok(unmoved)
}

/// Recreates what a maze has on a drained host on other hosts.
async fn move_one(context: &Context, engine: &Engine, row: &TopologyRow, host: &HostRow) -> Result<Exit, CommandError> {
    if !row.takes_mutations() {
        return Err(EngineError::WrongStatus {
            name: row.name.clone(),
            status: row.status,
            intent: row.intent,
            verb: "moved",
        }
        .into());
    }
    context
        .output
        .note(format!("moving what {} has on {}", row.name, host.name));
    let reconcile = async |cancel: &_| engine.reconcile(row.id, true, cancel).await;
    deploy::execute(context, engine, reconcile).await
}
