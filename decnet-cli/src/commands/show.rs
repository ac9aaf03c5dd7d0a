use std::time::Duration;

use decnet_engine::{DeckyState, HistoryEntry, Inspection, Observed, Runtime, Scope};
use decnet_topology::{
    Draft, MutationRow, Repo, StatusEvent, StoredTopology, Syntax, TopologyRow, canonical_hash, document,
    last_mutations,
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::{
    command_error::CommandError, context::Context, duration::read_past, exit::Exit, lookup, past, table, text,
};

/// How many mutations to read.
const MUTATIONS: usize = 100;

/// How long to wait for a daemon. If it does not answer, the stored maze is shown.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Show a maze and the state of its deckies.
///
/// Addresses and states are read from Docker, with the differences from the maze: lost and foreign interfaces, other addresses,
/// crash loops. If Docker does not answer, the stored maze is shown, and STATE is `?`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Its name, its id, or the start of its id.
    topology: String,
    /// Print the maze file instead.
    #[arg(long, conflicts_with = "json")]
    document: bool,
    /// Show the deckies at an earlier time, from the audit trail: 2030-01-31T12:00:00Z, "2030-01-31 12:00", -2h.
    #[arg(long, value_name = "TIME", value_parser = read_past, allow_hyphen_values = true, conflicts_with = "document")]
    at: Option<Timestamp>,
}

/// A topology as JSON.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    row: &'a TopologyRow,
    hash: String,
    reason: Option<&'a str>,
    topology: Value,
    /// None if Docker does not answer.
    deckies: Option<&'a [DeckyState]>,
    docker: Option<&'a str>,
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
    let mutations = last_mutations(repo.as_ref(), row.id, MUTATIONS).await?;
    let (observed, trouble) = match observe(context, repo.as_ref(), &stored).await {
        Ok(observed) => (observed, None),
        Err(error) => (Observed::default(), Some(error.to_string())),
    };
    let inspection = Inspection::new(stored, &observed, Timestamp::now());
    print(context, &inspection, trouble.as_deref(), &events, &mutations)?;
    Ok(Exit::Done)
}

async fn observe(context: &Context, repo: &dyn Repo, stored: &StoredTopology) -> Result<Observed, CommandError> {
    let docker = context.probe_docker(TIMEOUT).await?;
    Ok(docker
        .inspect(Scope::Topology(repo.instance().await?, stored.row.id))
        .await?)
}

/// Prints a topology and its deckies. `trouble` is the reason why they were not observed.
fn print(
    context: &Context,
    inspection: &Inspection,
    trouble: Option<&str>,
    events: &[StatusEvent],
    mutations: &[MutationRow],
) -> Result<(), CommandError> {
    let observed = trouble.is_none();
    let Inspection { stored, deckies, .. } = inspection;
    let StoredTopology { row, topology } = stored;
    let reason = events.last().and_then(|event| event.reason.as_deref());
    let output = context.output;
    if output.json {
        return output.json(&Shown {
            row,
            hash: canonical_hash(topology).to_string(),
            reason,
            topology: document::to_value(&Draft::stored(row, topology)),
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
        output.line("  Docker may differ from the stored maze: `decnet reconcile` repairs it")?;
    }
    if !deckies.is_empty() {
        output.data("\n")?;
        output.data(&table::deckies(deckies, observed))?;
    }
    past::show_history(context, HistoryEntry::list(events, mutations))?;
    if let Some(trouble) = trouble {
        output.note(format!(
            "Docker did not answer, so addresses are those of the maze and states are unknown: {trouble}"
        ));
    }
    Ok(())
}
