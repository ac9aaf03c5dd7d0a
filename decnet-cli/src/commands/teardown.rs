use decnet_engine::Operation;

use super::{deploy, plan};
use crate::{
    command_error::CommandError,
    confirm::{ask, can_ask},
    context::Context,
    exit::Exit,
    globals::Workers,
    lookup, text,
};

/// Tear a maze down, in any state.
///
/// Its status becomes `torn_down` only if nothing is left on Docker.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet teardown corp\n  \
                        decnet teardown corp --json\n  \
                        decnet teardown corp --force")]
pub(crate) struct Arguments {
    /// The maze's name, its id, or the start of its id.
    topology: String,
    /// Only print the plan.
    #[arg(long)]
    dry_run: bool,
    /// Tear down without a question. Without a terminal, or with --json, the command asks none.
    #[arg(long, short)]
    yes: bool,
    /// Record the maze as torn down although all its hosts left the fleet, so that nobody knows what they still have. Other mazes need
    /// no --force.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    workers: Workers,
}

/// Tears a maze down.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let (engine, row) = lookup::engine(context, &arguments.topology, arguments.workers.into()).await?;
    let operation = Operation::Teardown { force: arguments.force };
    if arguments.dry_run {
        return plan::dry_run(context, &engine, row.id, operation).await;
    }
    if !arguments.yes && can_ask(context.output) {
        let prepared = engine.prepare(row.id, operation.clone()).await?;
        plan::warn_of_lost(context, prepared.given_up());
        let topology = engine.repo().load(row.id).await?.topology;
        let size = text::count(topology.deckies().len(), "decky", "deckies");
        ask(&format!(
            "tear down `{}` ({size}, {}), and delete the logs of its containers",
            row.name, row.status
        ))?;
    }
    let teardown = async |cancel: &_| engine.operate(row.id, operation.clone(), None, cancel).await;
    deploy::execute(context, &engine, teardown).await
}
