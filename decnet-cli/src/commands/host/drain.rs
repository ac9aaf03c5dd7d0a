use decnet_topology::HostChange;
use jiff::Timestamp;

use super::{lookup, show};
use crate::{command_error::CommandError, commands::deploy, context::Context, exit::Exit, globals::EngineFlags};

/// Let a host get no more deckies, and with --move recreate its deckies on other hosts.
///
/// Without --move, what is on the host stays and runs on. A decky that moves is recreated, so visitors lose their connections.
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
    let host = lookup::find(repo.as_ref(), &arguments.name).await?;
    let change = if arguments.undo {
        HostChange::Undrain
    } else {
        HostChange::Drain
    };
    let host = repo.change_host(host.id, change, Timestamp::now()).await?;
    if arguments.moves {
        let mazes = lookup::Mazes::read(repo.as_ref()).await?;
        let engine = context
            .engine_on(repo.clone(), context.catalog()?, EngineFlags::default())
            .await?;
        for row in mazes.on_host(&host).filter(|row| row.takes_mutations()) {
            if row.is_for_agent_of(host.name.as_str()) {
                context.output.note(format!(
                    "{} is for the agent of {} and does not move: tear it down, and deploy it with --agent on another host",
                    row.name, host.name
                ));
                continue;
            }
            context
                .output
                .note(format!("moving what {} has on {}", row.name, host.name));
            let reconcile = async |cancel: &_| engine.reconcile(row.id, true, cancel).await;
            let exit = deploy::execute(context, &engine, reconcile).await?;
            if exit != Exit::Done {
                return Ok(exit);
            }
        }
    }
    let mazes = lookup::Mazes::read(repo.as_ref()).await?;
    let (count, movable) = (mazes.deckies(&host), mazes.movable(&host));
    context
        .output
        .either(&show::value(&host, count, Timestamp::now()), || {
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
    Ok(Exit::Done)
}
