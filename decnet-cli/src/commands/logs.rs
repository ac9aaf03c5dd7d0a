use std::path::PathBuf;

use decnet_engine::{Engine, LogCursor, LogFormat, LogItem, LogOptions, Muted};
use decnet_topology::{Name, ServiceName};
use jiff::Timestamp;

use crate::{command_error::CommandError, context::Context, duration::read_past, exit::Exit, lines::Lines, lookup};

/// Print what visitors do in the deckies.
///
/// The lines of all containers are collected and ordered by time. With --follow the command then waits for more, also of deckies
/// that are created later. With --cursor-file, the next start continues after the last line.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet logs corp --follow\n  \
                        decnet logs corp --paths\n  \
                        decnet logs corp --decky web-01 --service ssh --since -2h\n  \
                        decnet logs --json | jq -c 'select(.entry.record.event.action == \"auth.attempt\")'\n  \
                        decnet logs --follow --cursor-file cursor.json --output visits.log")]
pub(crate) struct Arguments {
    /// The maze: its name, its id, or the start of its id; all mazes if it is missing.
    topology: Option<String>,
    /// Only deckies with this name.
    #[arg(long)]
    decky: Option<Name>,
    /// Only services with this name.
    #[arg(long)]
    service: Option<ServiceName>,
    /// Only lines since a time: 2030-01-31T12:00:00Z, -2h or "3 days ago".
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = read_past)]
    since: Option<Timestamp>,
    /// Wait for more lines until interrupted.
    #[arg(long, short)]
    follow: bool,
    /// Print the ways of attackers through the mazes instead of lines: their moves, with the mutations of the deckies meanwhile.
    #[arg(long, conflicts_with_all = ["follow", "cursor_file"])]
    paths: bool,
    /// Leave out visitors from an address or a subnet, at all ports or at one: 192.0.2.7, 192.0.2.0/24:22.
    #[arg(long, value_name = "VISITOR")]
    mute: Vec<Muted>,
    /// Continue after the lines that this file has, and keep it up to date. It is created if it does not exist.
    #[arg(long, value_name = "FILE")]
    cursor_file: Option<PathBuf>,
    /// Append to a file, or send to the socket of a log daemon, instead of printing.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Prints the log.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let engine = context.engine_on_demand()?;
    let topology = lookup::only(engine.repo().as_ref(), arguments.topology.as_deref()).await?;
    let options = LogOptions::default()
        .topology(topology)
        .decky(arguments.decky)
        .service(arguments.service)
        .since(arguments.since)
        .follow(arguments.follow)
        .mute(arguments.mute);
    if arguments.paths {
        return paths(&engine, options, arguments.output, context).await;
    }
    let options = match &arguments.cursor_file {
        Some(path) => options.cursor(LogCursor::read(path)?),
        None => options,
    };
    let mut lines = Lines::open(arguments.output, context.output)?;
    let format = if context.output.json {
        LogFormat::Json
    } else {
        LogFormat::Text
    };
    let mut logs = engine.logs(options).await?;
    while let Some(item) = logs.next().await.transpose()? {
        let line = format.line(&item);
        if format == LogFormat::Text && !matches!(item, LogItem::Entry(_)) {
            crate::output::say(&line);
        } else {
            lines.put(&line)?;
        }
        if logs.is_idle()
            && let Some(path) = &arguments.cursor_file
        {
            logs.cursor().write(path)?;
        }
    }
    if let Some(path) = &arguments.cursor_file {
        logs.cursor().write(path)?;
    }
    Ok(Exit::Done)
}

/// Prints the ways of attackers.
async fn paths(
    engine: &Engine,
    options: LogOptions,
    output: Option<PathBuf>,
    context: &Context,
) -> Result<Exit, CommandError> {
    let paths = engine.paths(options).await?;
    let mut lines = Lines::open(output, context.output)?;
    if paths.is_empty() {
        context.output.note("no visitors so far");
    }
    for path in paths {
        if context.output.json {
            lines.put(&serde_json::to_string(&path)?)?;
            continue;
        }
        for line in path.describe() {
            lines.put(&line)?;
        }
    }
    Ok(Exit::Done)
}
