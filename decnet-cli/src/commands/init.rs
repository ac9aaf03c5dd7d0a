use std::path::{Path, PathBuf};

use decnet_topology::{TopologyName, document};

use crate::{command_error::CommandError, context::Context, exit::Exit, input};

/// The maze file, with `@NAME@` for the name.
const MAZE: &str = include_str!("init/maze.yaml");
/// The file with the schema, which the first line of the maze file names.
const SCHEMA: &str = "decnet.schema.json";

/// Write a commented maze file to start from, and its schema for editors.
///
/// The files are NAME.yaml and decnet.schema.json. Editors with a YAML language server complete and check the maze file.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    decnet init\n  \
    decnet init corp && decnet deploy -f corp.yaml")]
pub(crate) struct Arguments {
    /// The name of the maze.
    #[arg(default_value = "corp")]
    name: TopologyName,
    /// Where to write the maze file; - is stdout, and the schema is then not written [default: NAME.yaml].
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace files that exist.
    #[arg(long)]
    force: bool,
}

/// Writes the files.
pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CommandError> {
    let output = context.output;
    let name = arguments.name.to_string();
    // A name with other characters is not a plain YAML text.
    let maze = MAZE.replace("@NAME@", &serde_json::to_string(&name)?);
    let path = arguments
        .output
        .clone()
        .unwrap_or_else(|| PathBuf::from(format!("{name}.yaml")));
    if path == Path::new("-") {
        output.data(&maze)?;
        return Ok(Exit::Done);
    }
    let schema = path.with_file_name(SCHEMA);
    if !arguments.force && path.exists() {
        return Err(CommandError::FileExists { path });
    }
    input::write(&path, &maze, output)?;
    // An existing schema is that of this or another version: the current one fits the file.
    let mut text = serde_json::to_string_pretty(&document::schema())?;
    text.push('\n');
    input::write(&schema, &text, output)?;
    let (path, schema) = (path.display().to_string(), schema.display().to_string());
    output.either(&serde_json::json!({ "maze": path, "schema": schema }), || {
        format!("{path}\n{schema}\n")
    })?;
    output.note(format!(
        "next: `decnet validate {path}`, then `decnet deploy -f {path}`"
    ));
    Ok(Exit::Done)
}
