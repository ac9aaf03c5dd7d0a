use decnet_engine::Operation;

use super::{deploy, plan};
use crate::{
    command_error::CommandError, confirm::confirm, context::Context, exit::Exit, globals::Workers, lookup, text,
};

/// Tear a maze down, in any state.
///
/// Its status becomes `torn_down` only if nothing is left on Docker.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet teardown corp\n  \
                        decnet teardown corp --json")]
pub(crate) struct Arguments {
    /// The maze's name, its id, or the start of its id.
    topology: String,
    /// Only print the plan.
    #[arg(long)]
    dry_run: bool,
    /// Tear down without a question. Without a terminal, or with --json, the command asks none.
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    workers: Workers,
}

/// Tears a maze down.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let (engine, row) = lookup::engine(context, &arguments.topology, arguments.workers.into()).await?;
    if arguments.dry_run {
        return plan::dry_run(context, &engine, row.id, Operation::Teardown).await;
    }
    if !arguments.yes {
        let topology = engine.repo().load(row.id).await?.topology;
        let size = text::count(topology.deckies().len(), "decky", "deckies");
        confirm(
            context.output,
            &format!(
                "tear down `{}` ({size}, {}), and delete the logs of its containers",
                row.name, row.status
            ),
        )?;
    }
    let teardown = async |cancel: &_| engine.teardown(row.id, cancel).await;
    deploy::execute(context, &engine, teardown).await
}
