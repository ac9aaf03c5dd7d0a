use std::sync::Arc;

use decnet_engine::{Engine, EngineError, HostMazes, HostSummary, find_host};
use decnet_topology::{HostChange, HostRow, Repo, TopologyRow};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    command_error::{CommandError, Unmoved},
    commands::deploy,
    context::Context,
    exit::Exit,
    globals::EngineFlags,
    interrupt, text,
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
    let moves = if arguments.moves {
        move_all(context, &repo, &host).await?
    } else {
        Moves::default()
    };
    let mazes = HostMazes::read(repo.as_ref()).await?;
    let (count, movable) = (mazes.deckies(&host), mazes.movable(&host));
    let now = repo.now(Timestamp::now()).await?;
    let mut shown = serde_json::to_value(HostSummary::new(&host, count, now))?;
    if arguments.moves {
        shown["moved"] = json!(moves.moved);
        shown["not_moved"] = moves.unmoved.iter().map(value).collect();
    }
    context.output.either(&shown, || {
        let done = if arguments.undo {
            "gets deckies again"
        } else {
            "gets no more deckies"
        };
        format!("{} {done}\n", host.name)
    })?;
    if !arguments.undo && movable > 0 {
        let stay = text::count(movable, "decky stays", "deckies stay");
        context.output.note(if arguments.moves {
            format!("{stay} there")
        } else {
            format!("{stay} there; `decnet host drain {} --move` moves them", host.name)
        });
    }
    if moves.unmoved.is_empty() {
        return Ok(Exit::Done);
    }
    let (host, unmoved) = (host.name.to_string(), moves.unmoved);
    Err(CommandError::NotMoved { host, unmoved })
}

/// What became of the mazes on a host.
#[derive(Debug, Default)]
struct Moves {
    /// The names of those of which nothing is there any more.
    moved: Vec<String>,
    /// Those of which something may still be there.
    unmoved: Vec<Unmoved>,
}

/// Returns a maze that did not move as JSON.
fn value(unmoved: &Unmoved) -> Value {
    json!({
        "maze": unmoved.maze,
        "code": unmoved.error.code(),
        "message": unmoved.error.with_causes(),
        "hint": unmoved.hint(),
    })
}

/// Recreates what is on a drained host on other hosts. Only an interruption stops it early.
async fn move_all(context: &Context, repo: &Arc<dyn Repo>, host: &HostRow) -> Result<Moves, CommandError> {
    let mazes = HostMazes::read(repo.as_ref()).await?;
    let engine = context
        .engine_on(Arc::clone(repo), context.catalog()?, EngineFlags::default(), None)
        .await?;
    let mut moves = Moves::default();
    let mut rows = mazes.on_host(host);
    for row in rows.by_ref() {
        let maze = row.name.to_string();
        let error = match move_one(context, &engine, row, host).await {
            Ok(()) => {
                moves.moved.push(maze);
                continue;
            }
            Err(error) => Box::new(error.about(Some(&maze))),
        };
        let is_interrupted = error.exit() == Exit::Interrupted;
        moves.unmoved.push(Unmoved { maze, error });
        if is_interrupted {
            break;
        }
    }
    moves.unmoved.extend(rows.map(|row| Unmoved {
        maze: row.name.to_string(),
        error: Box::new(not_begun(row).into()),
    }));
    Ok(moves)
}

/// The error of a maze that was left alone after an interruption.
fn not_begun(row: &TopologyRow) -> EngineError {
    EngineError::Interrupted {
        id: row.id,
        undo_failures: Vec::new(),
        leftovers: Vec::new(),
    }
}

/// Recreates what a maze has on a drained host on other hosts.
async fn move_one(context: &Context, engine: &Engine, row: &TopologyRow, host: &HostRow) -> Result<(), CommandError> {
    let name = row.name.to_string();
    if row.is_for_agent_of(host.name.as_str()) {
        let host = host.name.to_string();
        return Err(CommandError::NotMovable { name, host });
    }
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
    let cancel = interrupt::catch()?;
    let outcome = deploy::with_progress(context, engine, engine.reconcile(row.id, true, &cancel)).await?;
    if !context.output.json {
        // All moves together are one document.
        deploy::print(context, engine, &outcome, None).await?;
    }
    match outcome.reason {
        Some(reason) => Err(CommandError::Degraded { name, reason }),
        None => Ok(()),
    }
}
