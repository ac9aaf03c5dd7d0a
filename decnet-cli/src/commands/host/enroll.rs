use std::net::Ipv4Addr;

use decnet_topology::{HostProfile, Name};
use jiff::Timestamp;
use serde_json::json;

use crate::{
    command_error::CommandError,
    context::{Context, open_fleet},
    exit::Exit,
};

/// Make a token with which a host joins, and print it.
///
/// The token works once, for 15 minutes, and only for this name. If a host has the name already, it joins again: it keeps its
/// mazes, and its labels, capacity and network unless they are given here.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet host enroll east --label public\n  \
                        decnet host enroll west --capacity 100 --mtu 9000")]
pub(super) struct Arguments {
    /// The name of the host.
    name: Name,
    /// A label of the host; the option can be repeated. Gateways are placed only on hosts with the label `public`.
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<Name>,
    /// The largest number of deckies on it [default: 250].
    #[arg(long, value_name = "DECKIES")]
    capacity: Option<u32>,
    /// Its address on the network that connects the hosts [default: that of its agent].
    #[arg(long, value_name = "ADDRESS")]
    underlay: Option<Ipv4Addr>,
    /// The MTU of that network, in bytes: that of the interface, often 1450 in clouds [default: 1500].
    #[arg(long, value_name = "BYTES")]
    mtu: Option<u16>,
}

/// Makes a token.
pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let Arguments {
        name,
        labels,
        capacity,
        underlay,
        mtu,
    } = arguments;
    let fleet = open_fleet(context.repo().await?).await?;
    let again = fleet.hosts().await?.into_iter().find(|host| host.name == name);
    let is_again = again.is_some();
    // A host that joins again keeps what is not given.
    let mut profile = again.map_or_else(HostProfile::default, |host| host.profile);
    if !labels.is_empty() {
        profile.labels = labels.into_iter().collect();
    }
    profile.capacity = capacity.unwrap_or(profile.capacity);
    profile.underlay = underlay.or(profile.underlay);
    profile.mtu = mtu.unwrap_or(profile.mtu);
    let token = fleet.invite(name.clone(), profile, Timestamp::now()).await?;
    let value = json!({ "name": name, "token": token.to_string(), "again": is_again });
    context.output.either(&value, || format!("{token}\n"))?;
    let again = if is_again { " again" } else { "" };
    context.output.note(format!(
        "within 15 minutes, {name} joins{again} with: decnet agent --join TOKEN --name {name} --master ADDRESS:7379"
    ));
    Ok(Exit::Done)
}
