//! Finds hosts, and what is placed on them.

use decnet_topology::{HostRow, Repo, Status, TopologyFilter, TopologyRow};

use crate::command_error::CommandError;

/// Finds a host that was not revoked by its name or its id.
pub(super) async fn find(repo: &dyn Repo, text: &str) -> Result<HostRow, CommandError> {
    let hosts = repo.hosts().await?;
    let (revoked, hosts): (Vec<_>, Vec<_>) = hosts.into_iter().partition(|host| host.revoked_at.is_some());
    let is_meant = |host: &HostRow| host.name.as_str().eq_ignore_ascii_case(text) || host.id.to_string() == text;
    let is_revoked = revoked.iter().any(is_meant);
    hosts.into_iter().find(is_meant).ok_or_else(|| CommandError::NoHost {
        name: text.into(),
        is_revoked,
    })
}

/// Lists the mazes that may have something on hosts. One that was torn down keeps its placement for its next deploy.
pub(super) async fn mazes(repo: &dyn Repo) -> Result<Vec<TopologyRow>, CommandError> {
    let present = TopologyFilter::default().without(&[Status::Pending, Status::TornDown]);
    Ok(repo.list(&present).await?.rows)
}

/// Selects the mazes that have deckies or LANs on a host.
pub(super) fn on_host<'a>(mazes: &'a [TopologyRow], host: &'a HostRow) -> impl Iterator<Item = &'a TopologyRow> {
    mazes.iter().filter(|row| {
        let placement = row.placement.as_ref();
        placement
            .is_some_and(|placement| placement.members().contains(&host.name) || placement.former.contains(&host.name))
    })
}

/// Counts the deckies on a host.
pub(super) fn deckies(mazes: &[TopologyRow], host: &HostRow) -> usize {
    let placements = mazes.iter().filter_map(|row| row.placement.as_ref());
    let hosts = placements.flat_map(|placement| placement.deckies.values());
    hosts.filter(|name| **name == host.name).count()
}
