//! Finds hosts, and what is placed on them.

use std::collections::BTreeMap;

use decnet_topology::{HostRow, Name, Repo, Status, TopologyFilter, TopologyRow};

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

/// Selects the mazes that may have something on hosts. A maze that was torn down keeps its placement for its next deploy.
fn present() -> TopologyFilter {
    TopologyFilter::default().without(&[Status::Pending, Status::TornDown])
}

/// Returns the mazes that have deckies or LANs on a host.
pub(super) async fn mazes_on(repo: &dyn Repo, host: &HostRow) -> Result<Vec<TopologyRow>, CommandError> {
    let mut rows = repo.list(&present()).await?.rows;
    rows.retain(|row| {
        let placement = row.placement.as_ref();
        placement
            .is_some_and(|placement| placement.members().contains(&host.name) || placement.former.contains(&host.name))
    });
    Ok(rows)
}

/// Counts the deckies on each host.
pub(super) async fn deckies(repo: &dyn Repo) -> Result<BTreeMap<Name, usize>, CommandError> {
    let mut counts = BTreeMap::new();
    for row in repo.list(&present()).await?.rows {
        for host in row.placement.iter().flat_map(|placement| placement.deckies.values()) {
            *counts.entry(host.clone()).or_default() += 1;
        }
    }
    Ok(counts)
}
