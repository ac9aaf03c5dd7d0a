use std::{sync::Arc, time::Duration};

use decnet_engine::{Bridge, DeckyState, HistoryEntry, Inspection, Observation, next_shuffle};
use decnet_topology::{
    Draft, HostPort, MutationRow, Name, PlacementNames, PublishedPort, Repo, Status, StatusEvent, StoredTopology,
    Syntax, TopologyRow, canonical_hash, document, last_mutations, published_ports,
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tokio::time::timeout;

use crate::{
    command_error::CommandError, context::Context, duration::read_past, exit::Exit, lookup, past, table, text, tree,
};

/// How many mutations to read.
const MUTATIONS: usize = 100;

/// How long to wait for a daemon. If it does not answer, the stored maze is shown.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Show a maze and the state of its deckies.
///
/// Addresses and states are read from Docker, with the differences from the maze: lost and foreign interfaces, other addresses,
/// crash loops. If Docker does not answer, the stored maze is shown, and STATE is `?`.
///
/// For tcpdump: BRIDGE is the host's interface of a LAN. ADDRESSES has the name of each interface inside the decky, if Docker runs
/// on this machine or is that of an agent. HOST is the host of a LAN, decky or bridge if the maze was deployed on several, and the VNI is
/// that of a stretched LAN in the tunnels between them. PUBLISHED lists the ports of the host that lead to services, while the maze is up.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet show corp\n  \
                        decnet show corp --tree\n  \
                        decnet show corp --at -2h")]
pub(crate) struct Arguments {
    /// Its name, its id, or the start of its id.
    topology: String,
    /// Print the maze file instead.
    #[arg(long, conflicts_with = "json")]
    document: bool,
    /// Draw the maze as a tree: each LAN below the one through which visitors reach it, with its deckies, their roles, states and services.
    /// `decnet graph` draws the same tree with addresses and choke points, without Docker, and also of files.
    #[arg(long, conflicts_with_all = ["json", "document", "at"])]
    tree: bool,
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
    /// Where it runs: `machine`, `hosts` if it is placed on several, or `agent`.
    runs_on: &'static str,
    /// The host whose agent deploys it; none if it has none.
    agent: Option<&'a str>,
    reason: Option<&'a str>,
    /// Where it is on a fleet; none if it runs on one host.
    placement: Option<&'a PlacementNames<'a>>,
    topology: Value,
    /// None if Docker does not answer.
    deckies: Option<&'a [DeckyState]>,
    /// None if Docker does not answer.
    bridges: Option<&'a [Bridge]>,
    published: &'a [PublishedPort],
    /// Why nothing was observed: Docker, the agent or the hosts do not answer.
    docker: Option<&'a str>,
    /// Which hosts of a placed maze do not answer, and why; one line each.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    unseen: &'a [String],
    events: &'a [StatusEvent],
    mutations: &'a [MutationRow],
}

/// Shows a maze.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let repo = context.repo().await?;
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
    let (Observation { observed, bridges, .. }, trouble) = match observe(context, &repo, &stored).await {
        Ok(observation) => (observation, None),
        Err(error) => (Observation::default(), Some(error.with_causes())),
    };
    let catalog = context.catalog()?;
    let catalog = catalog.with_stored(&stored.row.catalog);
    // The ports of a maze that is not up are closed.
    let is_up = matches!(stored.row.status, Status::Deploying | Status::Active | Status::Degraded);
    let published = if is_up {
        published_ports(&stored.topology, &catalog, &stored.row.settings.publish)
    } else {
        Vec::new()
    };
    let next_shuffle = next_shuffle(repo.as_ref(), &stored).await?;
    let inspection = Inspection::new(stored, &observed, Timestamp::now());
    let unseen = observed.unseen.iter();
    let unseen = unseen.map(|(host, reason)| format!("{host} does not answer: {reason}"));
    let unseen: Vec<_> = unseen.collect();
    if arguments.tree {
        print_tree(context, &inspection, trouble.as_deref(), &unseen)?;
        return Ok(Exit::Done);
    }
    let host = HostSide {
        unseen,
        bridges,
        published,
        next_shuffle,
    };
    print(context, &inspection, &host, trouble.as_deref(), &events, &mutations)?;
    Ok(Exit::Done)
}

/// What the host has of a maze.
struct HostSide {
    /// Which hosts of a fleet do not answer, and why.
    unseen: Vec<String>,
    /// The bridges of the LANs.
    bridges: Vec<Bridge>,
    /// The ports of the host that lead to services.
    published: Vec<PublishedPort>,
    /// When the next decky gets other services, and which one.
    next_shuffle: Option<(Timestamp, Name)>,
}

/// Observes a maze where it runs: on this machine, or on its hosts.
async fn observe(
    context: &Context,
    repo: &Arc<dyn Repo>,
    stored: &StoredTopology,
) -> Result<Observation, CommandError> {
    let engine = context.engine_within(Arc::clone(repo), TIMEOUT)?;
    // An agent may take longer than the connection to it.
    match timeout(2 * TIMEOUT, engine.observation(&stored.row, true)).await {
        Ok(observed) => Ok(observed?),
        Err(_) => Err(CommandError::Silent {
            seconds: (2 * TIMEOUT).as_secs(),
        }),
    }
}

/// Prints a topology as a tree. `trouble` is the reason why its deckies were not observed, and `unseen` says which hosts do not answer.
fn print_tree(
    context: &Context,
    inspection: &Inspection,
    trouble: Option<&str>,
    unseen: &[String],
) -> Result<(), CommandError> {
    let output = context.output;
    let observed = trouble.is_none();
    output.line(head(&inspection.stored))?;
    output.data("\n")?;
    output.data(&tree::text(inspection, observed, table::width()))?;
    if let Some(trouble) = trouble {
        let who = of_whom(&inspection.stored.row);
        output.note(format!("{who} did not answer, so states are unknown: {trouble}"));
    }
    for host in unseen {
        output.note(host);
    }
    Ok(())
}

/// Says who is asked for the state of a topology.
fn of_whom(row: &TopologyRow) -> &'static str {
    match (&row.host, &row.placement) {
        (Some(_), _) => "Its agent",
        (None, Some(_)) => "Its hosts",
        (None, None) => "Docker",
    }
}

/// Returns the first line about a topology: its name, status, version and size.
fn head(stored: &StoredTopology) -> String {
    let StoredTopology { row, topology } = stored;
    let lans = text::count(topology.lans().len(), "LAN", "LANs");
    let deckies = text::count(topology.deckies().len(), "decky", "deckies");
    format!(
        "{}  {}  version {}, {lans}, {deckies}",
        row.name, row.status, row.version
    )
}

/// Returns the table of the published ports, with the host of each if the maze is on hosts.
fn published(ports: &[PublishedPort], row: &TopologyRow, placement: Option<&PlacementNames<'_>>) -> String {
    let cells = |port: &PublishedPort| {
        let service = format!("{}.{}", port.decky, port.service);
        let bound = port.host.bound().map(|address| HostPort {
            address: Some(address),
            ..port.host
        });
        let bound: Vec<_> = bound.map(|host| host.to_string()).collect();
        [bound.join(", "), service, port.port.to_string()]
    };
    if placement.is_none() && row.host.is_none() {
        return table::rows(["PUBLISHED", "SERVICE", "PORT"], ports.iter().map(cells));
    }
    let on = |port: &PublishedPort| match placement {
        Some(placement) => {
            let mut deckies = placement.deckies.iter();
            deckies.find_map(|(decky, host)| (decky.as_str() == port.decky).then(|| host.to_string()))
        }
        None => row.host.clone(),
    };
    let cells = |port: &PublishedPort| {
        let [bound, service, number] = cells(port);
        [bound, table::or_dash(on(port).unwrap_or_default()), service, number]
    };
    table::rows(["PUBLISHED", "HOST", "SERVICE", "PORT"], ports.iter().map(cells))
}

/// Prints a topology and its deckies. `trouble` is the reason why they were not observed.
fn print(
    context: &Context,
    inspection: &Inspection,
    host: &HostSide,
    trouble: Option<&str>,
    events: &[StatusEvent],
    mutations: &[MutationRow],
) -> Result<(), CommandError> {
    let observed = trouble.is_none();
    let Inspection { stored, deckies, .. } = inspection;
    let StoredTopology { row, topology } = stored;
    let reason = events.last().and_then(|event| event.reason.as_deref());
    let placement = row.placement.as_ref();
    let placement = placement.map(|placement| PlacementNames::new(topology, placement));
    let output = context.output;
    if output.json {
        return output.json(&Shown {
            row,
            hash: canonical_hash(topology).to_string(),
            runs_on: match (&row.host, &placement) {
                (Some(_), _) => "agent",
                (None, Some(_)) => "hosts",
                (None, None) => "machine",
            },
            agent: row.host.as_deref(),
            reason,
            placement: placement.as_ref(),
            topology: document::to_value(&Draft::stored(row, topology)),
            deckies: observed.then_some(deckies),
            bridges: observed.then_some(&*host.bridges),
            published: &host.published,
            docker: trouble,
            unseen: &host.unseen,
            events,
            mutations,
        });
    }
    output.line(head(stored))?;
    output.line(format!("  id {}", row.id))?;
    if let Some(reason) = reason {
        output.line(format!("  {reason}"))?;
    }
    if row.needs_resync {
        output.line("  Docker may differ from the stored maze: `decnet reconcile` repairs it")?;
    }
    if let Some(agent) = &row.host {
        output.line(format!("  deployed by the agent of host {agent}"))?;
    }
    if let Some((at, decky)) = &host.next_shuffle {
        output.line(format!("  next shuffle: {decky} at {at:.0}"))?;
    }
    if !deckies.is_empty() {
        output.data("\n")?;
        output.data(&table::deckies(
            deckies,
            observed,
            DeckyState::interface_text,
            placement.as_ref(),
        ))?;
    }
    if let Some(placement) = &placement {
        output.data("\n")?;
        output.data(&table::lans(topology, placement))?;
        if !placement.former.is_empty() {
            let hosts = table::words(placement.former);
            output.line(format!("  parts of the maze may still be on: {hosts}"))?;
        }
    }
    if !host.bridges.is_empty() {
        output.data("\n")?;
        output.data(&table::bridges(&host.bridges, placement.is_some()))?;
    }
    if !host.published.is_empty() {
        output.data("\n")?;
        output.data(&published(&host.published, row, placement.as_ref()))?;
    }
    past::show_history(context, HistoryEntry::list(events, mutations))?;
    if let Some(trouble) = trouble {
        let who = of_whom(row);
        output.note(format!(
            "{who} did not answer, so addresses are those of the maze and states are unknown: {trouble}"
        ));
    }
    host.unseen.iter().for_each(|host| output.note(host));
    Ok(())
}
