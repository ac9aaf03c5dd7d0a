use std::{net::Ipv4Addr, str::FromStr};

use decnet_engine::InviteOptions;
use decnet_topology::{Name, NameError};
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
    /// A label of the host; the option can be repeated. An empty one removes all labels. Gateways are placed only on hosts with the label
    /// `public`.
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<Label>,
    /// The largest number of deckies on it [default: 250].
    #[arg(long, value_name = "DECKIES")]
    capacity: Option<u32>,
    /// Its address on the network that connects the hosts [default: that of its agent].
    #[arg(long, value_name = "ADDRESS")]
    underlay: Option<Ipv4Addr>,
    /// The MTU of that network, in bytes; if that of the interface is smaller, it counts [default: 1500].
    #[arg(long, value_name = "BYTES")]
    mtu: Option<u16>,
}

/// A label; none is an empty text.
#[derive(Debug, Clone)]
struct Label(Option<Name>);

impl FromStr for Label {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text {
            "" => Ok(Self(None)),
            text => text.parse().map(|name| Self(Some(name))),
        }
    }
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
    let options = InviteOptions::default()
        .labels((!labels.is_empty()).then(|| labels.into_iter().filter_map(|Label(name)| name).collect()))
        .capacity(capacity)
        .underlay(underlay)
        .mtu(mtu);
    let invitation = fleet.invite_with(name.clone(), options, Timestamp::now()).await?;
    let (token, is_again) = (invitation.token, invitation.is_again);
    let value = json!({ "name": name, "token": token.to_string(), "again": is_again });
    context.output.either(&value, || format!("{token}\n"))?;
    let again = if is_again { " again" } else { "" };
    context.output.note(format!(
        "within 15 minutes, {name} joins{again} with: decnet agent --join TOKEN --name {name} --master ADDRESS:7379"
    ));
    Ok(Exit::Done)
}
