use decnet_engine::{HostMazes, HostSummary};
use decnet_topology::HostRow;
use jiff::Timestamp;
use serde_json::json;

use super::show;
use crate::{command_error::CommandError, context::Context, exit::Exit, table, text};

/// List the hosts, with their states.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet host list\n  \
                        decnet host list --all")]
pub(super) struct Arguments {
    /// Also list the hosts that were revoked.
    #[arg(long)]
    all: bool,
}

/// Lists the hosts.
pub(super) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    let repo = context.repo().await?;
    let mut hosts = repo.hosts().await?;
    hosts.retain(|host| arguments.all || host.revoked_at.is_none());
    hosts.sort_by(|one, other| one.name.cmp(&other.name));
    let mazes = HostMazes::read(repo.as_ref()).await?;
    let count = |host: &HostRow| mazes.deckies(host);
    let now = repo.now(Timestamp::now()).await?;
    if context.output.json {
        let hosts: Vec<_> = hosts
            .iter()
            .map(|host| HostSummary::new(host, count(host), now))
            .collect();
        context.output.json(&json!({ "hosts": hosts }))?;
        return Ok(Exit::Done);
    }
    if hosts.is_empty() {
        context
            .output
            .note("no hosts; `decnet host enroll NAME` makes a token with which one joins");
        return Ok(Exit::Done);
    }
    let cells = |host: &HostRow| {
        [
            host.name.to_string(),
            show::state(host, now),
            format!("{}/{}", count(host), host.profile.capacity),
            show::labels(host),
            host.address.clone(),
            host.last_heartbeat().map_or_else(|| "never".into(), text::time),
        ]
    };
    let header = ["HOST", "STATE", "DECKIES", "LABELS", "AGENT", "LAST HEARD"];
    context.output.data(&table::rows(header, hosts.iter().map(cells)))?;
    Ok(Exit::Done)
}
