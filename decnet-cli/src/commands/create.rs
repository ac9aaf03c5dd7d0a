use decnet_topology::{
    Draft, Finding, RepoError, RuleSet, TopologyName,
    alloc::SubnetPool,
    model::{DraftLan, Header},
    net,
    repo::NewTopology,
    validate::validate,
};
use ipnet::Ipv4Net;
use jiff::Timestamp;
use serde_json::json;

use crate::{command_error::CommandError, context::Context, exit::Exit, surroundings};

/// Store an empty maze: a DMZ and nothing in it.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The maze's name.
    name: String,
    /// The DMZ's subnet; the next free one if none is given.
    #[arg(long, value_name = "CIDR", value_parser = |text: &str| net::parse_subnet(text))]
    subnet: Option<Ipv4Net>,
}

/// Stores an empty maze.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let Arguments { name: text, subnet } = arguments;
    let name = TopologyName::new(&text).map_err(|source| CommandError::Name { text, source })?;
    let lans = vec![DraftLan {
        name: "dmz".into(),
        subnet,
        is_dmz: true,
        ..DraftLan::default()
    }];
    let draft = Draft {
        header: Header {
            name: name.to_string(),
            ..Header::default()
        },
        lans,
        ..Draft::default()
    };
    let catalog = context.catalog()?;
    let repo = context.repo()?;
    let mut warnings: Vec<Finding>;
    let mut attempt = 1;
    let stored = loop {
        let taken = if subnet.is_none() {
            surroundings::taken(context, repo.as_ref(), None).await?
        } else {
            Vec::new()
        };
        let topology = draft
            .resolve(&SubnetPool::past(taken))
            .map_err(|error| CommandError::resolve(name.as_str(), error))?;
        let report = validate(&topology, &catalog, RuleSet::deploy());
        if !report.is_clean() {
            let findings = report.errors().cloned().collect();
            return Err(CommandError::Maze { findings });
        }
        warnings = report.warnings().cloned().collect();
        let new = NewTopology::new(name.clone(), topology);
        match repo.create(new, Timestamp::now()).await {
            Err(RepoError::SubnetClaimed { .. }) if subnet.is_none() && attempt < surroundings::ATTEMPTS => {
                attempt += 1;
            }
            result => break result?,
        }
    };
    for warning in warnings {
        context.output.note(warning.to_string());
    }
    let row = &stored.row;
    context.bus.publish_creation(row);
    let subnet = stored.topology.dmz().map(decnet_topology::Lan::subnet);
    let value = json!({"id": row.id, "name": row.name, "status": row.status, "version": row.version, "subnet": subnet});
    context.output.either(&value, || {
        let subnet = subnet.map(|subnet| format!("dmz {subnet}")).unwrap_or_default();
        format!("{}  {}  {}  {subnet}\n", row.name, row.id, row.status)
    })?;
    Ok(Exit::Done)
}
