use decnet_engine::Operation;

use super::{
    deploy::{self, Work},
    plan,
};
use crate::{command_error::CommandError, context::Context, exit::Exit, lookup};

/// Reconcile a maze: repair differences between Docker and the stored maze.
///
/// Only differences are changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet reconcile corp\n  \
                        decnet reconcile corp --dry-run")]
pub(crate) struct Arguments {
    /// The maze's name, its id, or the start of its id.
    topology: String,
    /// Options for work on Docker.
    #[command(flatten)]
    work: Work,
}

/// Reconciles a maze.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let Arguments { topology, work } = arguments;
    let (engine, row) = lookup::engine(context, &topology, work.engine).await?;
    if work.dry_run {
        let operation = Operation::Reconcile { force: work.force };
        return plan::dry_run(context, &engine, row.id, operation).await;
    }
    let reconcile = async |cancel: &_| engine.reconcile(row.id, work.force, cancel).await;
    deploy::execute(context, &engine, reconcile).await
}
