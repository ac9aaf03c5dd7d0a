use std::path::PathBuf;

use decnet_engine::http;
use decnet_topology::{Analysis, AnalysisReport, Graph, Topology};

use crate::{command_error::CommandError, context::Context, exit::Exit, input, lookup, table, text};

/// Show the shape of a maze: LANs, deckies, routers and choke points.
///
/// For a maze that was deployed on several hosts, all formats show which host has each LAN, and which LANs are stretched over several.
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
    /// Write to a file instead of stdout. An existing file is replaced.
    #[arg(long, short, value_name = "FILE", conflicts_with = "analyse")]
    output: Option<PathBuf>,
    /// Show how many deckies an intruder must take over to reach each LAN and decky, and what is lost with each decky.
    #[arg(long, visible_alias = "analyze", conflicts_with = "format")]
    analyse: bool,
}

/// The output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// A tree of LANs, for terminals.
    Text,
    /// A picture for browsers, in one file: `-o maze.svg`.
    Svg,
    /// A page for browsers, in one file that needs no network: `-o maze.html`.
    Html,
    /// LANs, links and choke points, as with --json.
    Json,
    /// For Graphviz: `| dot -Tsvg`.
    Dot,
    /// For Mermaid, which many Markdown viewers can draw.
    Mermaid,
}

/// Prints the shape of a maze.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let maze = lookup::maze(context, &arguments.maze).await?;
    let header = maze.header();
    let (topology, placement) = maze.into_placed();
    let graph = Graph::new(&topology).placed(placement.as_ref());
    if arguments.analyse {
        let analysis = graph.analysis();
        let report = analysis.report();
        context
            .output
            .either(&report, || analysis_text(&topology, &analysis, &report))?;
        return Ok(Exit::Done);
    }
    let drawn = match arguments.format {
        Format::Svg => graph.to_svg(),
        Format::Html => http::page_file(&header, &graph),
        Format::Dot => graph.to_dot(),
        Format::Mermaid => graph.to_mermaid(),
        Format::Text if !context.output.json => text::visible(&graph.to_text()).into(),
        Format::Text | Format::Json => format!("{}\n", serde_json::to_string_pretty(&graph.shape())?),
    };
    match &arguments.output {
        Some(path) => input::write(path, &drawn, context.output)?,
        None => context.output.data(&drawn)?,
    }
    Ok(Exit::Done)
}

/// Prints an analysis for people: a summary, the LANs with their paths, and the deckies with what is lost without them.
fn analysis_text(topology: &Topology, analysis: &Analysis<'_>, report: &AnalysisReport<'_>) -> String {
    let or_dash = |number: Option<usize>| number.map_or_else(|| "-".into(), |number| number.to_string());
    let lans = topology.lans().iter().zip(&report.lans).map(|(lan, row)| {
        let path = match analysis.path_text(lan.id()) {
            None => "cut off from the DMZ".into(),
            Some(path) if path.is_empty() => "(DMZ)".into(),
            Some(path) => path,
        };
        [row.lan.to_string(), or_dash(row.depth), or_dash(row.compromises), path]
    });
    let deckies = report.deckies.iter().map(|row| {
        [
            row.decky.to_string(),
            row.lan.map_or_else(|| "-".into(), ToString::to_string),
            or_dash(row.compromises),
            row.loss.lans.to_string(),
            row.loss.deckies.to_string(),
        ]
    });
    let chokes = &report.choke_points;
    let choke_lans = chokes.lans.iter().map(|lan| format!("LAN {lan}"));
    let chokes: Vec<String> = chokes
        .deckies
        .iter()
        .map(ToString::to_string)
        .chain(choke_lans)
        .collect();
    format!(
        "depth {}, width {}, {} of {} reached by routing alone\nchoke points: {}\n\n{}\n{}",
        report.depth,
        report.width,
        report.routed.len(),
        text::count(report.lans.len(), "LAN", "LANs"),
        first_names(&chokes),
        table::rows(["LAN", "DEPTH", "COMPROMISES", "PATH"], lans),
        table::rows(
            ["DECKY", "REACHED ON", "COMPROMISES", "LANS LOST", "DECKIES LOST"],
            deckies
        ),
    )
}

/// Lists names; of many, the first.
fn first_names(names: &[String]) -> String {
    const LISTED: usize = 10;
    match names.len().saturating_sub(LISTED) {
        _ if names.is_empty() => "none".into(),
        0 => names.join(", "),
        more => format!("{} and {more} more", names[..LISTED].join(", ")),
    }
}
