use decnet_engine::{CreateOptions, EngineError};
use decnet_topology::{Lan, TopologyName, net};
use ipnet::Ipv4Net;
use serde_json::json;

use crate::{command_error::CommandError, context::Context, exit::Exit};

/// Store an empty maze: a DMZ without deckies.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet create lab\n  \
                        decnet create lab --subnet 172.20.0.0/24")]
pub(crate) struct Arguments {
    /// The maze's name.
    name: String,
    /// The DMZ's subnet [default: the next free one].
    #[arg(long, value_name = "CIDR", value_parser = |text: &str| net::parse_subnet(text))]
    subnet: Option<Ipv4Net>,
}

/// Stores an empty maze.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let Arguments { name: text, subnet } = arguments;
    let name = TopologyName::new(&text).map_err(|source| EngineError::InvalidName { text, source })?;
    let options = match subnet {
        Some(subnet) => CreateOptions::default().subnet(subnet),
        None => CreateOptions::default(),
    };
    let outcome = context.engine_on_demand().await?.create(name, options).await?;
    for warning in &outcome.warnings {
        context.output.note(warning.to_string());
    }
    let row = &outcome.stored.row;
    let subnet = outcome.stored.topology.dmz().map(Lan::subnet);
    let value = json!({"id": row.id, "name": row.name, "status": row.status, "version": row.version, "subnet": subnet});
    context.output.either(&value, || {
        let subnet = subnet.map(|subnet| format!("dmz {subnet}")).unwrap_or_default();
        format!("{}  {}  {}  {subnet}\n", row.name, row.id, row.status)
    })?;
    Ok(Exit::Done)
}
