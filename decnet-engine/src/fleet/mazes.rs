use std::collections::BTreeMap;

use decnet_topology::{HostRow, Mode, Repo, RepoError, Status, TopologyFilter, TopologyId, TopologyRow};

/// The topologies of a store that may have something on hosts: all but those that were never deployed or were torn down.
#[derive(Debug)]
pub struct HostMazes {
    rows: Vec<TopologyRow>,
    /// How many deckies those have that an agent deploys as a whole.
    pushed: BTreeMap<TopologyId, usize>,
}

impl HostMazes {
    /// Reads them. One that was torn down keeps its placement for its next deploy.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn read(repo: &dyn Repo) -> Result<Self, RepoError> {
        let present = TopologyFilter::default().without(&[Status::Pending, Status::TornDown]);
        let rows = repo.list(&present).await?.rows;
        let mut pushed = BTreeMap::new();
        for row in rows.iter().filter(|row| row.mode == Mode::Agent) {
            pushed.insert(row.id, repo.load(row.id).await?.topology.deckies().len());
        }
        Ok(Self { rows, pushed })
    }

    /// Returns those that have deckies or LANs on a host, in order of creation.
    pub fn on_host<'a>(&'a self, host: &'a HostRow) -> impl Iterator<Item = &'a TopologyRow> {
        self.rows.iter().filter(|row| {
            let placement = row.placement.as_ref();
            let is_placed = placement.is_some_and(|placement| {
                placement.members().contains(&host.name) || placement.former.contains(&host.name)
            });
            is_placed || row.is_for_agent_of(host.name.as_str())
        })
    }

    /// Counts the deckies on a host.
    pub fn deckies(&self, host: &HostRow) -> usize {
        let pushed = self.rows.iter().filter(|row| row.is_for_agent_of(host.name.as_str()));
        self.movable(host) + pushed.filter_map(|row| self.pushed.get(&row.id)).sum::<usize>()
    }

    /// Counts the deckies on a host that were placed there, so that they can move.
    pub fn movable(&self, host: &HostRow) -> usize {
        let placements = self.rows.iter().filter_map(|row| row.placement.as_ref());
        let hosts = placements.flat_map(|placement| placement.deckies.values());
        hosts.filter(|name| **name == host.name).count()
    }
}
