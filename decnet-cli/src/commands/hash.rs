use decnet_topology::canonical_hash;
use serde_json::json;

use crate::{command_error::CommandError, context::Context, exit::Exit, lookup};

/// Print the canonical hash of a maze.
///
/// Mazes that are the same on Docker have the same hash. Missing values of a file are allocated as if the store were empty.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet hash corp\n  \
                        decnet hash corp.yaml")]
pub(crate) struct Arguments {
    /// A maze file, - for stdin, or a stored maze by name, id or start of its id.
    #[arg(value_name = "FILE|TOPOLOGY")]
    maze: String,
}

/// Prints the hash.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let topology = lookup::maze(context, &arguments.maze).await?.into_topology();
    let hash = canonical_hash(&topology).to_string();
    context
        .output
        .either(&json!({ "hash": hash }), || format!("{hash}\n"))?;
    Ok(Exit::Done)
}
