use std::path::PathBuf;

use decnet_topology::{Mutation, document};

use crate::{command_error::CommandError, context::Context, exit::Exit, input};

/// Print the JSON Schema of maze files or of mutations, for editors.
///
/// If the first line of a YAML file is `# yaml-language-server: $schema=decnet.schema.json`, editors complete it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet schema > decnet.schema.json\n  \
                        decnet schema --mutation")]
pub(crate) struct Arguments {
    /// Print the schema of mutations: `{"op": …, "payload": …}`. `decnet mutate` accepts the payload.
    #[arg(long)]
    mutation: bool,
    /// The output file, which is replaced if it exists; - is stdout.
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    output: PathBuf,
}

/// Prints the schema.
pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CommandError> {
    let schema = if arguments.mutation {
        Mutation::schema()
    } else {
        document::schema()
    };
    let mut text = serde_json::to_string_pretty(&schema)?;
    text.push('\n');
    input::write(&arguments.output, &text, context.output)?;
    Ok(Exit::Done)
}
