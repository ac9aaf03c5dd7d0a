//! All that is stored.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::queue::Queue;
use crate::{
    id::{MutationId, TopologyId},
    model::{Lan, StoredTopology, Topology, TopologyRow},
    repo::{Claim, Lease, MutationRow, RepoError, claims},
    status::{Status, StatusEvent},
};

/// All that is stored.
#[derive(Debug, Default)]
pub(super) struct Stock {
    topologies: BTreeMap<TopologyId, Entry>,
    /// The topology of each mutation.
    mutations: BTreeMap<MutationId, TopologyId>,
    /// Numbers of mutations whose topology was deleted are not given again.
    last_mutation: u64,
}

/// One topology with all that belongs to it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) stored: StoredTopology,
    pub(super) events: Vec<StatusEvent>,
    pub(super) lease: Option<Lease>,
    pub(super) queue: Queue,
}

impl Stock {
    pub(super) fn insert(&mut self, entry: Entry) {
        self.topologies.insert(entry.stored.row.id, entry);
    }

    pub(super) fn remove(&mut self, id: TopologyId) {
        self.topologies.remove(&id);
        self.mutations.retain(|_, topology| *topology != id);
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.topologies.values()
    }

    pub(super) fn entry(&self, id: TopologyId) -> Result<&Entry, RepoError> {
        self.topologies.get(&id).ok_or(RepoError::NotFound { id })
    }

    pub(super) fn entry_mut(&mut self, id: TopologyId) -> Result<&mut Entry, RepoError> {
        self.topologies.get_mut(&id).ok_or(RepoError::NotFound { id })
    }

    /// Finds a mutation, and the topology that it belongs to.
    pub(super) fn mutation(&self, id: MutationId) -> Result<(&Entry, &MutationRow), RepoError> {
        let topology = self.mutations.get(&id);
        let entry = topology.and_then(|topology| self.topologies.get(topology));
        let entry = entry.ok_or(RepoError::MutationNotFound { id })?;
        Ok((entry, entry.queue.row(id)?))
    }

    /// Gives a number to a mutation of a topology.
    pub(super) fn number(&mut self, topology: TopologyId) -> MutationId {
        self.last_mutation += 1;
        let id = MutationId::new(self.last_mutation);
        self.mutations.insert(id, topology);
        id
    }

    pub(super) fn alive(&self) -> impl Iterator<Item = &Entry> {
        self.entries()
            .filter(|entry| entry.stored.row.status != Status::TornDown)
    }

    pub(super) fn claims(&self, except: Option<TopologyId>) -> Vec<Claim> {
        let mut entries: Vec<&StoredTopology> = self.alive().map(|entry| &entry.stored).collect();
        entries.retain(|stored| Some(stored.row.id) != except);
        entries.sort_by_key(|stored| order(&stored.row));
        let claims = entries.into_iter().flat_map(|stored| {
            stored.topology.lans().iter().map(|lan| Claim {
                topology: stored.row.id,
                name: stored.row.name.clone(),
                lan: lan.name().clone(),
                subnet: lan.subnet(),
            })
        });
        let mut claims: Vec<Claim> = claims.collect();
        claims.sort_by_key(|claim| (claim.subnet.network(), claim.subnet.prefix_len()));
        claims
    }

    pub(super) fn refuse_claimed(&self, except: Option<TopologyId>, topology: &Topology) -> Result<(), RepoError> {
        claims::refuse_claimed(&self.claims(except), topology.lans().iter().map(Lan::subnet))
    }
}

/// The order of lists.
pub(super) fn order(row: &TopologyRow) -> (Timestamp, TopologyId) {
    (row.created_at, row.id)
}
