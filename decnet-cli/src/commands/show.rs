use std::time::Duration;

use decnet_engine::{
    engine::{DeckyState, Inspection},
    observe::{Observed, Scope},
    runtime::Runtime,
};
use decnet_topology::{
    Repo, StoredTopology,
    document::{self, Syntax},
    hash::canonical_hash,
    repo::MutationRow,
    status::StatusEvent,
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::list::Row;
use crate::{command_error::CommandError, context::Context, exit::Exit, lookup, past, table, text};

/// How many mutations are read.
const MUTATIONS: usize = 100;

/// How long a daemon may take to answer when what is stored can be shown without it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Show a maze and how its deckies fare.
///
/// Addresses and states are those that Docker has, with what differs from the maze: lost and foreign interfaces, other addresses,
/// crash loops. Without Docker the maze is shown as it is stored, and STATE is `?`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Its name, its id, or the beginning of its id.
    topology: String,
    /// Print the maze file instead.
    #[arg(long, conflicts_with = "json")]
    document: bool,
    /// Show what the deckies were at this time, by the audit trail: 2030-01-31T12:00:00Z, "2030-01-31 12:00", -2h.
    #[arg(long, value_name = "TIME", value_parser = past::read_time, allow_hyphen_values = true, conflicts_with = "document")]
    at: Option<Timestamp>,
}

/// All there is to say of a topology, for programs.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    row: Row<'a>,
    hash: String,
    reason: Option<&'a str>,
    topology: Value,
    /// None where Docker does not answer.
    deckies: Option<&'a [DeckyState]>,
    docker: Option<&'a str>,
    events: &'a [StatusEvent],
    mutations: &'a [MutationRow],
}

/// What happened to a topology.
#[derive(Clone, Copy)]
struct Trail<'a> {
    events: &'a [StatusEvent],
    mutations: &'a [MutationRow],
}

/// Shows a maze.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let repo = context.repo()?;
    let row = lookup::find(repo.as_ref(), &arguments.topology).await?;
    let stored = repo.load(row.id).await?;
    if arguments.document {
        let document = document::print_topology(&stored.row, &stored.topology, Syntax::Yaml);
        context.output.data(&document)?;
        return Ok(Exit::Done);
    }
    if let Some(at) = arguments.at {
        past::show(context, repo.as_ref(), &stored, at).await?;
        return Ok(Exit::Done);
    }
    let events = repo.status_events(row.id).await?;
    let mutations = past::mutations(repo.as_ref(), &stored, MUTATIONS).await?;
    let (observed, trouble) = match observe(context, repo.as_ref(), &stored).await {
        Ok(observed) => (Some(observed), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let inspection = Inspection::new(stored, &observed.clone().unwrap_or_default(), Timestamp::now());
    let trail = Trail {
        events: &events,
        mutations: &mutations,
    };
    print(context, &inspection, observed.is_some(), trouble.as_deref(), trail)?;
    Ok(Exit::Done)
}

async fn observe(context: &Context, repo: &dyn Repo, stored: &StoredTopology) -> Result<Observed, CommandError> {
    let docker = context.look_at_docker(PATIENCE).await?;
    Ok(docker
        .inspect(Scope::Topology(repo.instance().await?, stored.row.id))
        .await?)
}

/// Prints a topology and its deckies.
fn print(
    context: &Context,
    inspection: &Inspection,
    observed: bool,
    trouble: Option<&str>,
    trail: Trail<'_>,
) -> Result<(), CommandError> {
    let Trail { events, mutations } = trail;
    let Inspection { stored, deckies, .. } = inspection;
    let StoredTopology { row, topology } = stored;
    let reason = events.last().and_then(|event| event.reason.as_deref());
    let output = context.output;
    if output.json {
        let document = document::print_topology(row, topology, Syntax::Json);
        let document = serde_json::from_str(&document).map_err(|source| CommandError::Json { source })?;
        return output.json(&Shown {
            row: Row::from(row),
            hash: canonical_hash(topology).to_string(),
            reason,
            topology: document,
            deckies: observed.then_some(deckies),
            docker: trouble,
            events,
            mutations,
        });
    }
    let (lans, number) = (topology.lans().len(), topology.deckies().len());
    let size = format!(
        "{}, {}",
        text::count(lans, "LAN", "LANs"),
        text::count(number, "decky", "deckies")
    );
    output.line(format!(
        "{}  {}  {}  version {}, {size}",
        row.name, row.id, row.status, row.version
    ))?;
    if let Some(reason) = reason {
        output.line(format!("  {reason}"))?;
    }
    if row.needs_resync {
        output.line("  Docker may differ from what is stored: `decnet reconcile` mends it")?;
    }
    if !deckies.is_empty() {
        output.data("\n")?;
        output.data(&table::deckies(deckies, observed))?;
    }
    past::history(context, events, mutations)?;
    if let Some(trouble) = trouble {
        output.note(format!(
            "Docker could not be asked: the addresses are those of the maze, what runs is not known: {trouble}"
        ));
    }
    Ok(())
}
