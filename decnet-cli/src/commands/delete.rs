use serde_json::json;

use crate::{command_error::CommandError, context::Context, exit::Exit, lookup};

/// Delete a maze that is not on Docker.
///
/// It must be pending, torn down, or failed with nothing left on Docker.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet delete lab\n  \
                        decnet teardown lab && decnet delete lab")]
pub(crate) struct Arguments {
    /// The maze's name, its id, or the start of its id.
    topology: String,
}

/// Deletes a maze.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let engine = context.engine_on_demand().await?;
    let row = lookup::find(engine.repo().as_ref(), &arguments.topology).await?;
    let row = engine.delete(row.id, None).await?;
    let value = json!({"id": row.id, "name": row.name, "deleted": true});
    context
        .output
        .either(&value, || format!("{}  {}  deleted\n", row.name, row.id))?;
    Ok(Exit::Done)
}
