use std::time::Duration;

use decnet_engine::{observe::Scope, runtime::Runtime};
use decnet_topology::Status;
use jiff::Timestamp;
use serde_json::json;

use crate::{command_error::CommandError, context::Context, exit::Exit, lookup, text};

/// How long a daemon may take to say that nothing is left.
const PATIENCE: Duration = Duration::from_secs(30);

/// Forget a maze that is not on Docker.
///
/// It must be pending, failed with nothing left on Docker, or torn down.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The maze's name, its id, or the beginning of its id.
    topology: String,
}

/// Forgets a maze.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let repo = context.repo()?;
    let row = lookup::find(repo.as_ref(), &arguments.topology).await?;
    if row.status == Status::Failed {
        let docker = context.look_at_docker(PATIENCE).await?;
        let left = docker.inspect(Scope::Topology(repo.instance().await?, row.id)).await?;
        if !left.is_empty() {
            let count = text::count(left.networks.len() + left.containers.len(), "resource", "resources");
            return Err(CommandError::LeftOnDocker {
                name: row.name.to_string(),
                count,
            });
        }
    }
    repo.delete(row.id, Timestamp::now()).await?;
    let value = json!({"id": row.id, "name": row.name, "deleted": true});
    context
        .output
        .either(&value, || format!("{}  {}  deleted\n", row.name, row.id))?;
    Ok(Exit::Done)
}
