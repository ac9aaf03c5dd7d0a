use decnet_topology::Graph;

use crate::{command_error::CommandError, context::Context, exit::Exit, lookup};

/// Show the shape of a maze: LANs, deckies, routers and choke points.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet graph corp\n  \
                        decnet graph corp.yaml --format svg > corp.svg\n  \
                        decnet graph corp --json")]
pub(crate) struct Arguments {
    /// A maze file, - for stdin, or a stored maze by name, id or start of its id.
    #[arg(value_name = "FILE|TOPOLOGY")]
    maze: String,
    /// The output format.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// The output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A tree of LANs, for terminals.
    Text,
    /// A picture for browsers, in one file: `> maze.svg`.
    Svg,
    /// For Graphviz: `| dot -Tsvg`.
    Dot,
    /// For Mermaid, which many Markdown viewers can draw.
    Mermaid,
}

/// Prints the shape of a maze.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let topology = lookup::maze(context, &arguments.maze).await?.into_topology();
    let graph = Graph::new(&topology);
    match arguments.format {
        Format::Svg => context.output.data(&graph.to_svg())?,
        Format::Dot => context.output.data(&graph.to_dot())?,
        Format::Mermaid => context.output.data(&graph.to_mermaid())?,
        Format::Text => context.output.either(&graph.shape(), || graph.to_text())?,
    }
    Ok(Exit::Done)
}
