use decnet_topology::{IpAllocator, Name, did_you_mean};
use serde_json::json;

use crate::{command_error::CommandError, context::Context, exit::Exit, lookup};

/// Print the next free address of a LAN.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet next-ip corp office")]
pub(crate) struct Arguments {
    /// The maze's name, its id, or the start of its id.
    topology: String,
    /// The LAN's name.
    lan: String,
}

/// Prints the next free address.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let repo = context.repo().await?;
    let row = lookup::find(repo.as_ref(), &arguments.topology).await?;
    let topology = repo.load(row.id).await?.topology;
    let name = Name::new(&arguments.lan).ok();
    let lan = name.and_then(|name| topology.lan_named(&name));
    let lan = lan.ok_or_else(|| CommandError::Unknown {
        kind: "LAN",
        hint: did_you_mean(&arguments.lan, topology.lans().iter().map(|lan| lan.name().as_str())),
        name: arguments.lan.clone(),
    })?;
    let mut addresses = IpAllocator::new(lan.subnet())?;
    for ip in topology.deckies().iter().filter_map(|decky| decky.ip_on(lan.id())) {
        // The validator reports addresses outside the subnet and reserved ones.
        let _ = addresses.reserve(ip);
    }
    let ip = addresses.next_free()?;
    context
        .output
        .either(&json!({ "lan": lan.name(), "ip": ip }), || format!("{ip}\n"))?;
    Ok(Exit::Done)
}
