use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use decnet_engine::{
    AttackPaths, CancellationToken, EngineError, Forwarded, LogCursor, LogFormat, LogOptions, LogOutput as _, Muted,
};
use decnet_topology::{Decky, Name, Repo, RepoError, ServiceName, StoredTopology, TopologyId, did_you_mean};
use jiff::Timestamp;

use crate::{
    command_error::CommandError,
    context::Context,
    destination::{Destination, DestinationFlags},
    duration::read_past,
    exit::Exit,
    interrupt, lookup,
};

/// Print what visitors do in the deckies.
///
/// The lines of all containers are collected and ordered by time. With --follow the command then waits for more, also of deckies
/// that are created later. With --cursor-file, the next start continues after the last line that arrived at its destination.
/// With --store, visits outlive their containers.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet logs corp --follow\n  \
                        decnet logs corp --paths\n  \
                        decnet logs corp --decky web-01 --service ssh --since -2h\n  \
                        decnet logs --json | jq -c 'select(.entry.record.event.action == \"auth.attempt\")'\n  \
                        decnet logs --follow --cursor-file cursor.json --output visits.log --rotate-size 100MB\n  \
                        decnet logs --follow --cursor-file cursor.json --store --to syslog+tls://logs.example.com\n  \
                        decnet logs --follow --to https://example.com/hook --header @token.txt\n  \
                        decnet logs --follow --cursor-file cursor.json --ecs --output visits.ndjson\n  \
                        decnet logs --follow --rfc5424 --to syslog+tcp://logs.example.com\n  \
                        decnet logs --stored --since '3 days ago'\n  \
                        decnet logs --stored --paths")]
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
    /// Print the paths of attackers through the mazes instead of lines: their moves, and the mutations of the deckies meanwhile.
    #[arg(long, conflicts_with_all = ["follow", "cursor_file", "store", "to", "output"])]
    paths: bool,
    /// Skip visitors from an address or a subnet, at all ports or at one: 192.0.2.7, 192.0.2.0/24:22.
    #[arg(long, value_name = "VISITOR")]
    mute: Vec<Muted>,
    /// Continue after the lines that this file has, and keep it up to date. It is created if it does not exist.
    #[arg(long, value_name = "FILE")]
    cursor_file: Option<PathBuf>,
    /// Read the visits that --store has kept in the database, without Docker.
    #[arg(long, conflicts_with_all = ["follow", "cursor_file", "store"])]
    stored: bool,
    #[command(flatten)]
    format: FormatFlags,
    #[command(flatten)]
    destination: DestinationFlags,
}

/// The flags for the format of a line.
#[derive(Debug, Clone, Copy, clap::Args)]
#[group(multiple = false)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag, and clap refuses two of them"
)]
struct FormatFlags {
    /// Print documents of the Elastic Common Schema.
    #[arg(long, conflicts_with_all = ["json", "paths"])]
    ecs: bool,
    /// Print syslog lines of RFC 5424.
    #[arg(long, conflicts_with_all = ["json", "paths"])]
    rfc5424: bool,
    /// Print lines of the Common Event Format (CEF).
    #[arg(long, conflicts_with_all = ["json", "paths"])]
    cef: bool,
    /// Print events of the Open Cybersecurity Schema Framework.
    #[arg(long, conflicts_with_all = ["json", "paths"])]
    ocsf: bool,
}

impl FormatFlags {
    fn format(self, json: bool) -> LogFormat {
        match self {
            Self { ecs: true, .. } => LogFormat::Ecs,
            Self { rfc5424: true, .. } => LogFormat::Rfc5424,
            Self { cef: true, .. } => LogFormat::Cef,
            Self { ocsf: true, .. } => LogFormat::Ocsf,
            _ if json => LogFormat::Json,
            _ => LogFormat::Text,
        }
    }
}

/// How long an interrupted command waits for the end of connections.
const LAST: Duration = Duration::from_secs(1);

/// Prints the log.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let engine = context.engine_on_demand().await?;
    let topology = lookup::only(engine.repo().as_ref(), arguments.topology.as_deref()).await?;
    if let Some(id) = topology {
        note_unknown(engine.repo().as_ref(), id, &arguments, context).await?;
    }
    let options = LogOptions::default()
        .topology(topology)
        .decky(arguments.decky)
        .service(arguments.service)
        .since(arguments.since)
        .follow(arguments.follow)
        .mute(arguments.mute);
    if arguments.paths {
        let paths = if arguments.stored {
            engine.stored_paths(options).await?
        } else {
            engine.paths(options).await?
        };
        return print_paths(&paths, context);
    }
    let options = match &arguments.cursor_file {
        Some(path) => options.cursor(LogCursor::read(path)?),
        None => options,
    };
    let format = arguments.format.format(context.output.json);
    let flags = &arguments.destination;
    let mut destination = Destination::open(flags, format, arguments.follow, engine.repo(), context.output).await?;
    if arguments.stored {
        let mut stored = engine.stored_logs(options).await?;
        let mut damaged = None;
        while let Some(item) = stored.next().await {
            match item {
                Ok(item) => destination.put(&item).await?,
                Err(EngineError::Repo(error @ RepoError::Corrupt { .. })) => {
                    context.output.note(format!("{error}; it is skipped"));
                    damaged = Some(error);
                }
                Err(error) => return Err(error.into()),
            }
        }
        destination.close().await?;
        if let Some(error) = damaged {
            return Err(EngineError::Repo(error).into());
        }
    } else {
        let mut logs = engine.logs(options).await?;
        let cursor = arguments.cursor_file.as_deref();
        // Otherwise a signal ends the command at once: lines on stdout do not wait.
        let cancel = if cursor.is_some() || destination.has_writers() {
            interrupt::catch_to_finish("interrupted: writing the lines that wait; interrupt again to exit immediately")?
        } else {
            CancellationToken::new()
        };
        let forwarded = logs
            .forward::<_, CommandError>(&mut destination, cursor, &cancel)
            .await?;
        if forwarded == Forwarded::CancelledEarly {
            let next = if cursor.is_some() {
                "the next start sends them again"
            } else {
                "they are only in the logs of the containers"
            };
            context
                .output
                .note(format!("some lines were not accepted within 5 s; {next}"));
            return Ok(Exit::Interrupted);
        }
        if forwarded == Forwarded::Cancelled {
            // Everything was written. A server that does not answer to the end of its connection is not waited for.
            tokio::time::timeout(LAST, destination.close())
                .await
                .unwrap_or(Ok(()))?;
            return Ok(Exit::Interrupted);
        }
        destination.close().await?;
    }
    Ok(Exit::Done)
}

/// Notes a decky or a service that the maze does not have now. It may have had one, or get one.
async fn note_unknown(
    repo: &dyn Repo,
    id: TopologyId,
    arguments: &Arguments,
    context: &Context,
) -> Result<(), CommandError> {
    if arguments.decky.is_none() && arguments.service.is_none() {
        return Ok(());
    }
    let StoredTopology { row, topology, .. } = repo.load(id).await?;
    let maze = row.name;
    if let Some(decky) = &arguments.decky
        && topology.decky_named(decky).is_none()
    {
        let near = did_you_mean(
            decky.as_str(),
            topology.deckies().iter().map(|known| known.name().as_str()),
        );
        let note = format!("maze `{maze}` has no decky `{decky}`{near}; `decnet show {maze}` lists its deckies");
        context.output.note(note);
    }
    if let Some(service) = &arguments.service
        && !topology
            .deckies()
            .iter()
            .any(|decky| decky.services().contains(service))
    {
        let known: BTreeSet<_> = topology.deckies().iter().flat_map(Decky::services).collect();
        let near = did_you_mean(service.as_str(), known.into_iter().map(ServiceName::as_str));
        let note =
            format!("no decky of maze `{maze}` runs `{service}`{near}; `decnet show {maze}` lists their services");
        context.output.note(note);
    }
    Ok(())
}

/// Prints the paths of attackers.
fn print_paths(found: &AttackPaths, context: &Context) -> Result<Exit, CommandError> {
    for notice in &found.notices {
        tracing::warn!("{}", LogFormat::Text.line(notice));
    }
    if found.paths.is_empty() && found.notices.is_empty() {
        context.output.note("no visitors so far");
    }
    for path in &found.paths {
        if context.output.json {
            context.output.json_line(path)?;
            continue;
        }
        for line in path.describe() {
            context.output.data(&format!("{line}\n"))?;
        }
    }
    Ok(Exit::Done)
}
