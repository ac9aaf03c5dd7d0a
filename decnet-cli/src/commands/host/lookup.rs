//! Finds hosts, and what is placed on them.

use std::collections::BTreeMap;

use decnet_topology::{HostRow, Mode, Repo, Status, TopologyFilter, TopologyId, TopologyRow};

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

/// The mazes that may have something on hosts.
pub(super) struct Mazes {
    rows: Vec<TopologyRow>,
    /// How many deckies those have that an agent deploys as a whole.
    pushed: BTreeMap<TopologyId, usize>,
}

impl Mazes {
    /// Reads them. One that was torn down keeps its placement for its next deploy.
    pub(super) async fn read(repo: &dyn Repo) -> Result<Self, CommandError> {
        let present = TopologyFilter::default().without(&[Status::Pending, Status::TornDown]);
        let rows = repo.list(&present).await?.rows;
        let mut pushed = BTreeMap::new();
        for row in rows.iter().filter(|row| row.mode == Mode::Agent) {
            pushed.insert(row.id, repo.load(row.id).await?.topology.deckies().len());
        }
        Ok(Self { rows, pushed })
    }

    /// Selects those that have deckies or LANs on a host.
    pub(super) fn on_host<'a>(&'a self, host: &'a HostRow) -> impl Iterator<Item = &'a TopologyRow> {
        self.rows.iter().filter(|row| {
            let placement = row.placement.as_ref();
            let is_placed = placement.is_some_and(|placement| {
                placement.members().contains(&host.name) || placement.former.contains(&host.name)
            });
            is_placed || row.is_for_agent_of(host.name.as_str())
        })
    }

    /// Counts the deckies on a host.
    pub(super) fn deckies(&self, host: &HostRow) -> usize {
        let pushed = self.rows.iter().filter(|row| row.is_for_agent_of(host.name.as_str()));
        self.movable(host) + pushed.filter_map(|row| self.pushed.get(&row.id)).sum::<usize>()
    }

    /// Counts the deckies on a host that were placed there, so that they can move.
    pub(super) fn movable(&self, host: &HostRow) -> usize {
        let placements = self.rows.iter().filter_map(|row| row.placement.as_ref());
        let hosts = placements.flat_map(|placement| placement.deckies.values());
        hosts.filter(|name| **name == host.name).count()
    }
}
