use std::{sync::Arc, time::Duration};

use decnet_engine::{Bridge, DeckyState, HistoryEntry, Inspection, Observed, Runtime, Scope, next_shuffle};
use decnet_topology::{
    Draft, HostPort, MutationRow, Name, PlacementNames, PublishedPort, Repo, Status, StatusEvent, StoredTopology,
    Syntax, TopologyRow, canonical_hash, document, last_mutations, published_ports,
};
use futures_util::try_join;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

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
    docker: Option<&'a str>,
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
    let (observed, bridges, trouble) = match observe(context, &repo, &stored).await {
        Ok((observed, bridges)) => (observed, bridges, None),
        Err(error) => (Observed::default(), Vec::new(), Some(error.to_string())),
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
    if arguments.tree {
        print_tree(context, &inspection, trouble.as_deref())?;
        return Ok(Exit::Done);
    }
    let unseen = observed.unseen.iter();
    let host = HostSide {
        unseen: unseen
            .map(|(host, reason)| format!("{host} does not answer: {reason}"))
            .collect(),
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

async fn observe(
    context: &Context,
    repo: &Arc<dyn Repo>,
    stored: &StoredTopology,
) -> Result<(Observed, Vec<Bridge>), CommandError> {
    let scope = Scope::Topology(repo.instance().await?, stored.row.id);
    if stored.row.placement.is_some()
        && let Some(fleet) = context.fleet(repo).await?
    {
        let fleet = fleet.answer_within(TIMEOUT);
        return observe_on(&fleet, scope).await;
    }
    observe_on(&context.probe_docker(TIMEOUT).await?, scope).await
}

/// Observes a runtime. Each host of a fleet names its bridges.
async fn observe_on(runtime: &dyn Runtime, scope: Scope) -> Result<(Observed, Vec<Bridge>), CommandError> {
    let (mut observed, info) = try_join!(runtime.inspect(scope), runtime.info())?;
    runtime.name_interfaces(&mut observed).await?;
    let bridges = observed.networks.iter().filter_map(|network| {
        let info = match network.name.host() {
            Some(host) => info.members.get(host)?.info.as_ref()?,
            None => &info,
        };
        Bridge::of(network, info.podman)
    });
    let mut bridges: Vec<Bridge> = bridges.collect();
    bridges.sort_by(|one, other| (one.subnet, &one.host).cmp(&(other.subnet, &other.host)));
    Ok((observed, bridges))
}

/// Prints a topology as a tree. `trouble` is the reason why its deckies were not observed.
fn print_tree(context: &Context, inspection: &Inspection, trouble: Option<&str>) -> Result<(), CommandError> {
    let output = context.output;
    let observed = trouble.is_none();
    output.line(head(&inspection.stored))?;
    output.data("\n")?;
    output.data(&tree::text(inspection, observed, table::width()))?;
    if let Some(trouble) = trouble {
        output.note(format!("Docker did not answer, so states are unknown: {trouble}"));
    }
    Ok(())
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
            agent: row.host.as_deref(),
            reason,
            placement: placement.as_ref(),
            topology: document::to_value(&Draft::stored(row, topology)),
            deckies: observed.then_some(deckies),
            bridges: observed.then_some(&*host.bridges),
            published: &host.published,
            docker: trouble,
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
        let cells = |port: &PublishedPort| {
            let service = format!("{}.{}", port.decky, port.service);
            let bound = port.host.bound().map(|address| HostPort {
                address: Some(address),
                ..port.host
            });
            let bound: Vec<_> = bound.map(|host| host.to_string()).collect();
            [bound.join(", "), service, port.port.to_string()]
        };
        output.data("\n")?;
        output.data(&table::rows(
            ["PUBLISHED", "SERVICE", "PORT"],
            host.published.iter().map(cells),
        ))?;
    }
    past::show_history(context, HistoryEntry::list(events, mutations))?;
    if let Some(trouble) = trouble {
        output.note(format!(
            "Docker did not answer, so addresses are those of the maze and states are unknown: {trouble}"
        ));
    }
    for host in &host.unseen {
        output.note(host);
    }
    Ok(())
}
