use decnet_topology::hash::canonical_hash;
use serde_json::json;

use crate::{
    context::Context,
    exit::{CommandError, Exit},
    input, lookup,
};

/// Print the canonical hash of a maze.
///
/// It is the same for mazes that are the same on Docker, however they are written.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A maze file, - for stdin, or a stored maze by name, id or beginning of its id.
    #[arg(value_name = "FILE|TOPOLOGY")]
    maze: String,
}

/// Prints the hash.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let topology = match input::as_file(&arguments.maze) {
        Some(source) => {
            let (draft, topology) = source.topology()?;
            if draft.lans.iter().any(|lan| lan.subnet.is_none()) {
                context
                    .output
                    .note("some LANs have no subnet yet: the hash is that of the maze where nothing else is stored");
            }
            topology
        }
        None => {
            let repo = context.repo()?;
            let row = lookup::find(repo.as_ref(), &arguments.maze).await?;
            repo.load(row.id).await?.topology
        }
    };
    let hash = canonical_hash(&topology).to_string();
    context
        .output
        .either(&json!({ "hash": hash }), || format!("{hash}\n"))?;
    Ok(Exit::Done)
}
