mod drain;
mod enroll;
mod list;
mod revoke;
mod serve;
mod show;

use std::collections::BTreeMap;

use decnet_topology::{HostRow, Name, Repo, TopologyFilter, TopologyRow};

use crate::{command_error::CommandError, context::Context, exit::Exit};

/// Manage the hosts that mazes are placed on.
///
/// A host joins with a token: `decnet host enroll` makes it, and `decnet agent` on the host uses it. `decnet host serve` is the listener
/// to which hosts join and send heartbeats. Then `decnet deploy MAZE --spread` or `--hosts` places a maze on them.
///
/// The hosts and the authority of their certificates are in the database. Several machines with one database are masters of the same hosts.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
                        decnet host serve\n  \
                        decnet host enroll east --label public\n  \
                        decnet host list")]
pub(crate) struct Arguments {
    /// The task.
    #[command(subcommand)]
    task: Task,
}

/// Tasks on hosts.
#[derive(Debug, clap::Subcommand)]
enum Task {
    Serve(serve::Arguments),
    Enroll(enroll::Arguments),
    List(list::Arguments),
    Show(show::Arguments),
    Drain(drain::Arguments),
    Revoke(revoke::Arguments),
}

/// Runs a task on hosts.
pub(crate) async fn run(arguments: Arguments, context: &Context) -> Result<Exit, CommandError> {
    match arguments.task {
        Task::Serve(arguments) => serve::run(arguments, context).await,
        Task::Enroll(arguments) => enroll::run(arguments, context).await,
        Task::List(arguments) => list::run(arguments, context).await,
        Task::Show(arguments) => show::run(&arguments, context).await,
        Task::Drain(arguments) => drain::run(arguments, context).await,
        Task::Revoke(arguments) => revoke::run(arguments, context).await,
    }
}

/// Finds a host that was not revoked by its name or its id.
async fn find(repo: &dyn Repo, text: &str) -> Result<HostRow, CommandError> {
    let hosts = repo.hosts().await?;
    let (revoked, hosts): (Vec<_>, Vec<_>) = hosts.into_iter().partition(|host| host.revoked_at.is_some());
    let is_meant = |host: &HostRow| host.name.as_str().eq_ignore_ascii_case(text) || host.id.to_string() == text;
    let is_revoked = revoked.iter().any(is_meant);
    hosts.into_iter().find(is_meant).ok_or_else(|| CommandError::NoHost {
        name: text.into(),
        is_revoked,
    })
}

/// Returns the mazes that have deckies or LANs on a host.
async fn mazes_on(repo: &dyn Repo, host: &HostRow) -> Result<Vec<TopologyRow>, CommandError> {
    let mut rows = repo.list(&TopologyFilter::default()).await?.rows;
    rows.retain(|row| {
        let placement = row.placement.as_ref();
        placement
            .is_some_and(|placement| placement.members().contains(&host.name) || placement.former.contains(&host.name))
    });
    Ok(rows)
}

/// Counts the deckies on each host.
async fn deckies(repo: &dyn Repo) -> Result<BTreeMap<Name, usize>, CommandError> {
    let mut counts = BTreeMap::new();
    for row in repo.list(&TopologyFilter::default()).await?.rows {
        for host in row.placement.iter().flat_map(|placement| placement.deckies.values()) {
            *counts.entry(host.clone()).or_default() += 1;
        }
    }
    Ok(counts)
}
