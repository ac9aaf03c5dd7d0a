//! What the store knows of the mazes whose logs are read.

use std::{collections::BTreeMap, net::Ipv4Addr};

use decnet_topology::{Name, Repo, RepoError, StoredTopology, TopologyId, TopologyName, Version};

/// A maze, as far as lines of logs need it.
#[derive(Debug, Clone)]
pub(super) struct Maze {
    pub(super) name: TopologyName,
    version: Version,
    addresses: BTreeMap<Ipv4Addr, Name>,
}

impl Maze {
    fn new(stored: &StoredTopology) -> Self {
        let deckies = stored.topology.deckies().iter();
        let addresses = deckies.flat_map(|decky| {
            let own = decky.attachments().iter();
            own.map(|attachment| (attachment.ip, decky.name().clone()))
        });
        Self {
            name: stored.row.name.clone(),
            version: stored.row.version,
            addresses: addresses.collect(),
        }
    }

    /// Returns the decky with an address.
    pub(super) fn decky_at(&self, address: Ipv4Addr) -> Option<&Name> {
        self.addresses.get(&address)
    }
}

/// Mazes by their topologies. A topology that was deleted from the store has none.
#[derive(Debug, Default)]
pub(super) struct Mazes(BTreeMap<TopologyId, Option<Maze>>);

impl Mazes {
    pub(super) fn get(&self, id: TopologyId) -> Option<&Maze> {
        self.0.get(&id)?.as_ref()
    }

    /// Reads a maze if it was edited since it was last read.
    pub(super) async fn refresh(&mut self, repo: &dyn Repo, id: TopologyId) -> Result<(), RepoError> {
        if let Some(known) = self.get(id)
            && repo.get(id).await.is_ok_and(|row| row.version == known.version)
        {
            return Ok(());
        }
        let maze = match repo.load(id).await {
            Ok(stored) => Some(Maze::new(&stored)),
            Err(RepoError::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        self.0.insert(id, maze);
        Ok(())
    }
}
