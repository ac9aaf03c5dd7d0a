use std::path::PathBuf;

use decnet_topology::{
    Code, Draft, Finding, Name, Repo, RepoError, RuleSet, Status, StoredTopology, Topology, TopologyName, TopologyRow,
    alloc::SubnetPool,
    document::{self, Syntax},
    hash::canonical_hash,
    model::Position,
    publish::{Publish, PublishRule},
    repo::{Edit, NewTopology},
    validate::{Surroundings, validate_in},
};
use jiff::Timestamp;
use serde_json::json;

use crate::{
    command_error::CommandError, context::Context, difference, exit::Exit, input::Source, lookup, surroundings, text,
};

/// Store a maze file.
///
/// It is new, takes the place of a pending maze of its name, or changes nothing where it is there already.
///
/// Subnets and addresses that the file leaves open are allocated; those that the stored maze has are kept. A maze that runs
/// and differs is left alone: the difference is printed, and the command leaves with 4.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The maze file; - is stdin.
    #[arg(long, short, value_name = "FILE", required = true)]
    file: Option<PathBuf>,
    /// The maze's name, instead of the file's.
    #[arg(long)]
    name: Option<String>,
}

/// What became of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Applied {
    /// It was stored.
    Created,
    /// It took the place of the pending one.
    Replaced,
    /// It was there already.
    Unchanged,
}

impl Applied {
    fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Replaced => "replaced",
            Self::Unchanged => "unchanged",
        }
    }
}

/// Stores a maze file.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let source = Source::new(&arguments.file.unwrap_or_else(|| "-".into()));
    let repo = context.repo()?;
    let (stored, applied) = apply(context, repo.as_ref(), &source, arguments.name.as_deref(), &[]).await?;
    let (row, topology) = (&stored.row, &stored.topology);
    let (lans, deckies) = (topology.lans().len(), topology.deckies().len());
    let value = json!({
        "id": row.id,
        "name": row.name,
        "status": row.status,
        "version": row.version,
        "result": applied.as_str(),
        "lans": lans,
        "deckies": deckies,
    });
    context.output.either(&value, || {
        let size = format!(
            "{}, {}",
            text::count(lans, "LAN", "LANs"),
            text::count(deckies, "decky", "deckies")
        );
        format!(
            "{}  {}  {}  {size}, {}\n",
            row.name,
            row.id,
            row.status,
            applied.as_str()
        )
    })?;
    Ok(Exit::Done)
}

/// Stores a maze file and says what became of it. The rules are those that it is about to be published by.
pub(crate) async fn apply(
    context: &Context,
    repo: &dyn Repo,
    source: &Source,
    name: Option<&str>,
    rules: &[PublishRule],
) -> Result<(StoredTopology, Applied), CommandError> {
    let mut draft = source.draft()?;
    if let Some(name) = name {
        draft.header.name = name.into();
    }
    let text = draft.header.name.clone();
    let name = TopologyName::new(&text).map_err(|source| CommandError::Name { text, source })?;
    let mut attempt = 1;
    loop {
        match once(context, repo, source, &draft, &name, rules).await {
            // Another process stored a maze between the look and the write.
            Err(CommandError::Repo(RepoError::SubnetClaimed { .. }))
                if attempt < surroundings::ATTEMPTS && is_open(&draft) =>
            {
                attempt += 1;
            }
            result => return result,
        }
    }
}

/// Tells whether a subnet is left to be allocated.
fn is_open(draft: &Draft) -> bool {
    draft.lans.iter().any(|lan| lan.subnet.is_none())
}

async fn once(
    context: &Context,
    repo: &dyn Repo,
    source: &Source,
    draft: &Draft,
    name: &TopologyName,
    rules: &[PublishRule],
) -> Result<(StoredTopology, Applied), CommandError> {
    let known = match lookup::live(repo, name.as_str()).await? {
        Some(row) => Some(repo.load(row.id).await?),
        None => None,
    };
    let mut draft = draft.clone();
    if let Some(known) = &known {
        keep(&mut draft, &known.topology);
    }
    let id = known.as_ref().map(|known| known.row.id);
    let taken = if is_open(&draft) {
        surroundings::taken(context, repo, id).await?
    } else {
        Vec::new()
    };
    let topology = draft
        .resolve(&SubnetPool::past(taken))
        .map_err(|error| CommandError::resolve(source.name(), error))?;
    if let Some(known) = &known
        && is_same(&known.topology, &topology)
    {
        return Ok((known.clone(), Applied::Unchanged));
    }
    check(
        context,
        repo,
        source,
        &topology,
        known.as_ref().map(|known| &known.row),
        rules,
    )
    .await?;
    let now = Timestamp::now();
    match known {
        None => {
            let config = draft.header.config;
            let new = NewTopology::new(name.clone(), topology).config(config);
            let stored = repo.create(new, now).await?;
            context.bus.publish_creation(&stored.row);
            Ok((stored, Applied::Created))
        }
        Some(known) if known.row.status == Status::Pending => {
            let stored = repo
                .edit(known.row.id, Edit::new(topology).expected(known.row.version), now)
                .await?;
            Ok((stored, Applied::Replaced))
        }
        Some(known) => {
            let stored = document::print_topology(&known.row, &known.topology, Syntax::Yaml);
            let file = document::print_topology(&known.row, &topology, Syntax::Yaml);
            let difference = difference::unified("stored", &stored, &source.name(), &file);
            if context.output.json {
                context.output.json(&json!({ "difference": difference }))?;
            } else {
                context.output.data(&text::visible(&difference))?;
            }
            let (name, status) = (known.row.name.to_string(), known.row.status);
            Err(CommandError::Differs {
                name,
                status,
                origin: source.name(),
            })
        }
    }
}

/// Holds the maze to the rules that any edit is held to, and tells of warnings.
///
/// That two gateways publish one host port is told, not refused: a file cannot say where they publish, a deploy can, and a
/// deploy refuses it.
async fn check(
    context: &Context,
    repo: &dyn Repo,
    source: &Source,
    topology: &Topology,
    known: Option<&TopologyRow>,
    rules: &[PublishRule],
) -> Result<(), CommandError> {
    let claims = repo.claims(known.map(|row| row.id)).await?;
    let kept = known.map_or_else(Publish::default, |row| row.settings.publish.clone());
    let surroundings = Surroundings {
        claims: &claims,
        publish: Some(&kept.with(rules.iter().cloned())),
        host: None,
    };
    let report = validate_in(topology, &context.catalog()?, RuleSet::live(), surroundings);
    let (clashes, findings): (Vec<Finding>, Vec<Finding>) = report
        .errors()
        .cloned()
        .partition(|finding| finding.code == Code::GatewayPortClash);
    for clash in clashes {
        context.output.note(format!("{clash}, with `decnet deploy --publish`"));
    }
    if !findings.is_empty() {
        return Err(CommandError::Document {
            origin: source.name(),
            findings,
        });
    }
    for warning in report.warnings() {
        context.output.note(warning.to_string());
    }
    Ok(())
}

/// Fills what a draft leaves open with what the stored maze has, so that the same file applied again changes nothing.
fn keep(draft: &mut Draft, known: &Topology) {
    let lans = known.lans_by_name();
    let lan_of = |text: &str| Name::new(text).ok().and_then(|name| lans.get(&name).copied());
    for lan in &mut draft.lans {
        if lan.subnet.is_none() {
            lan.subnet = lan_of(&lan.name).map(decnet_topology::Lan::subnet);
        }
    }
    let deckies: std::collections::BTreeMap<&Name, _> =
        known.deckies().iter().map(|decky| (decky.name(), decky)).collect();
    let fixed: std::collections::BTreeSet<_> = draft
        .deckies
        .iter()
        .flat_map(|decky| &decky.attachments)
        .filter_map(|edge| Some((edge.lan, edge.ip?)))
        .collect();
    let subnets: Vec<_> = draft.lans.iter().map(|lan| (lan_of(&lan.name), lan.subnet)).collect();
    for decky in &mut draft.deckies {
        let Some(stored) = Name::new(&decky.name).ok().and_then(|name| deckies.get(&name).copied()) else {
            continue;
        };
        for edge in decky.attachments.iter_mut().filter(|edge| edge.ip.is_none()) {
            let Some((Some(lan), Some(subnet))) = subnets.get(edge.lan).copied() else {
                continue;
            };
            let ip = stored.ip_on(lan.id());
            edge.ip = ip.filter(|ip| subnet.contains(ip) && !fixed.contains(&(edge.lan, *ip)));
        }
    }
}

/// Tells whether two mazes are the same: what is deployed of them, and where they stand on the canvas.
fn is_same(one: &Topology, other: &Topology) -> bool {
    canonical_hash(one) == canonical_hash(other) && positions(one) == positions(other)
}

fn positions(topology: &Topology) -> Vec<(String, Position)> {
    let lans = topology
        .lans()
        .iter()
        .map(|lan| (format!("lan {}", lan.name()), lan.position()));
    let deckies = topology
        .deckies()
        .iter()
        .map(|decky| (format!("decky {}", decky.name()), decky.position()));
    let mut all: Vec<_> = lans.chain(deckies).collect();
    all.sort_by(|one, other| one.0.cmp(&other.0));
    all
}
