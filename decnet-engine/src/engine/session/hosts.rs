//! The hosts that a topology is for: whether the fleet has them, and whether one can take a whole topology.

use std::collections::{BTreeMap, BTreeSet};

use decnet_topology::{
    DeploySettings, Mode, Name, NotPlaced, PlaceFault, PlaceRequest, Placement, RepoError, Status, StoredTopology,
    TopologyFilter, TopologyId, TopologyName, TopologyRow, place,
};

use crate::{
    engine::{Engine, EngineError, LostHost},
    observe::Observed,
};

impl Engine {
    /// Refuses hosts that are not in the fleet, for a topology that is not stored yet or gets other hosts.
    pub(in crate::engine) async fn require_known_hosts(
        &self,
        name: &TopologyName,
        agent: Option<&Name>,
        settings: Option<&DeploySettings>,
    ) -> Result<(), EngineError> {
        let hosts = settings.map(|settings| &settings.hosts).into_iter().flatten();
        let mut unknown: Vec<&Name> = agent.into_iter().chain(hosts).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let members = self.runtime.members().await?;
        unknown.retain(|host| !members.contains_key(host.as_str()));
        match unknown.as_slice() {
            [] => Ok(()),
            [host, ..] if Some(*host) == agent => Err(EngineError::AgentMode {
                name: name.clone(),
                host: Some(host.to_string()),
            }),
            unknown => Err(EngineError::HostsUnknown {
                name: name.clone(),
                hosts: unknown.iter().map(ToString::to_string).collect(),
                known: members.into_keys().collect(),
            }),
        }
    }

    /// Sorts the hosts that have, or may have, parts of a topology into those in the fleet and those that left it.
    ///
    /// A host left if the store has it as revoked, or if neither the store nor the runtime knows it. One that only the store knows did not
    /// leave: the runtime is not that of the whole fleet. A runtime without members is no fleet at all, so only a revocation counts. A
    /// pending or torn-down topology has nothing on hosts. So every host that is not a member counts as gone.
    pub(in crate::engine) async fn topology_hosts(&self, row: &TopologyRow) -> Result<TopologyHosts, EngineError> {
        let hosts = match (row.mode, &row.placement) {
            _ if self.agent.is_some() => BTreeSet::new(),
            (Mode::Agent, _) => row.host.iter().cloned().collect(),
            (_, Some(placement)) => hosts_of(placement),
            (_, None) => BTreeSet::new(),
        };
        let mut sorted = TopologyHosts::default();
        if hosts.is_empty() {
            return Ok(sorted);
        }
        let settled = is_settled(row);
        let members = self.runtime.members().await?;
        let stored = self.repo.hosts().await?;
        // Names are used again: by name, whether each host that had it was revoked.
        let mut revocations: BTreeMap<&str, bool> = BTreeMap::new();
        for known in &stored {
            let all = revocations.entry(known.name.as_str()).or_insert(true);
            *all &= known.revoked_at.is_some();
        }
        for host in hosts {
            let known = revocations.get(host.as_str()).copied();
            let revoked = known == Some(true);
            let is_member = members.contains_key(&host);
            let forgotten = !is_member && (settled || known.is_none() && !members.is_empty());
            if !(revoked || forgotten) {
                sorted.present.push(host);
                continue;
            }
            let deckies = match &row.placement {
                Some(placement) => placement.deckies.values().filter(|name| name.as_str() == host).count(),
                None => self.repo.load(row.id).await?.topology.deckies().len(),
            };
            sorted.lost.push(LostHost { host, revoked, deckies });
        }
        Ok(sorted)
    }

    /// Adds the hosts of a running topology that left the fleet to the unseen ones of its observation.
    pub(in crate::engine) async fn mark_lost(
        &self,
        row: &TopologyRow,
        observed: &mut Observed,
    ) -> Result<(), EngineError> {
        if !is_settled(row) {
            let lost = self.topology_hosts(row).await?.lost.into_iter();
            observed
                .unseen
                .extend(lost.map(|lost| (lost.host.clone(), lost.reason())));
        }
        Ok(())
    }

    /// Returns where topologies are on the fleet. One of mode `agent` is on its host as a whole, once it was deployed.
    pub(in crate::engine) async fn placements_of(&self, rows: &[TopologyRow]) -> Result<Vec<Placement>, EngineError> {
        let mut placements = Vec::new();
        for row in rows {
            if let Some(placement) = &row.placement {
                placements.push(placement.clone());
            } else if row.status != Status::Pending
                && let Some(Ok(host)) = row.agent_host().map(str::parse::<Name>)
            {
                match self.repo.load(row.id).await {
                    Ok(stored) => placements.push(stored.topology.placed_on(&host)),
                    // It was deleted meanwhile.
                    Err(RepoError::NotFound { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(placements)
    }

    /// Refuses to deploy a new topology to an agent whose host gets no more deckies, has no room for all of it, or lacks the label that
    /// its gateways need. What such a host has already stays, and can be changed.
    pub(in crate::engine) async fn refuse_unfit_host(
        &self,
        stored: &StoredTopology,
        before: TopologyId,
    ) -> Result<(), EngineError> {
        let StoredTopology { row, topology } = stored;
        let Some(member) = self.agent().and_then(|agent| agent.member.as_ref()) else {
            return Ok(());
        };
        if row.status != Status::Pending {
            return Ok(());
        }
        let mut faults = Vec::new();
        if member.drained {
            let member = member.name.clone();
            faults.push(PlaceFault::MemberDrained { member });
        }
        let present = TopologyFilter::default().without(&[Status::Pending, Status::TornDown]);
        let mut others = self.repo.list(&present).await?.rows;
        others.retain(|other| ![row.id, before].contains(&other.id));
        let others = self.placements_of(&others).await?;
        let taken = others.iter().map(|other| other.deckies_on(&member.name));
        let room = member.capacity.saturating_sub(taken.fold(0, u32::saturating_add));
        let deckies = topology.deckies().len() as u64;
        if deckies > u64::from(room) {
            let member = member.name.clone();
            faults.push(PlaceFault::MemberTooSmall { member, deckies, room });
        }
        let mut roomy = member.clone();
        roomy.capacity = u32::MAX;
        if let Err(NotPlaced { faults: others }) = place(topology, &PlaceRequest::new(row.id, [roomy])) {
            // Without its label, it has no room for the LAN either.
            let of_labels = others.into_iter();
            faults.extend(of_labels.filter(|fault| matches!(fault, PlaceFault::GatewayNotPublic { .. })));
        }
        if faults.is_empty() {
            return Ok(());
        }
        Err(NotPlaced { faults }.into())
    }
}

/// The hosts of a topology, by whether they can still be asked.
#[derive(Debug, Default)]
pub(in crate::engine) struct TopologyHosts {
    /// Those that left the fleet: nobody can say what they still have.
    pub(in crate::engine) lost: Vec<LostHost>,
    /// The others.
    pub(in crate::engine) present: Vec<String>,
}

impl TopologyHosts {
    /// Returns whether the topology has hosts, and all are lost.
    pub(in crate::engine) fn all_lost(&self) -> bool {
        self.present.is_empty() && !self.lost.is_empty()
    }

    /// Returns the lost hosts that a teardown gives up: none if the topology should have nothing there. Without force, a teardown that
    /// can ask no host is refused.
    pub(in crate::engine) fn given_up(self, row: &TopologyRow, force: bool) -> Result<Vec<LostHost>, EngineError> {
        if is_settled(row) {
            return Ok(Vec::new());
        }
        if self.all_lost() && !force {
            return Err(EngineError::HostLost {
                name: row.name.clone(),
                hosts: self.lost,
            });
        }
        Ok(self.lost)
    }
}

/// Returns whether the runtime should have nothing of a topology.
pub(in crate::engine) fn is_settled(row: &TopologyRow) -> bool {
    matches!(row.status, Status::Pending | Status::TornDown)
}

/// Returns the names of the members that have, or may have, parts of a maze.
pub(in crate::engine) fn hosts_of(placement: &Placement) -> BTreeSet<String> {
    placement
        .members()
        .into_iter()
        .chain(&placement.former)
        .map(ToString::to_string)
        .collect()
}

/// Refuses a maze that runs on members of a fleet, because there are no members.
pub(in crate::engine) fn require_hosts_of(row: &TopologyRow) -> Result<(), EngineError> {
    match row.placement.as_ref().filter(|_| !is_settled(row)) {
        Some(placement) => Err(EngineError::FleetMissing {
            name: row.name.clone(),
            hosts: hosts_of(placement).into_iter().collect(),
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use decnet_topology::{Catalog, MemoryRepo, NewTopology, Topology, TopologyStore as _, rng};
    use jiff::Timestamp;

    use super::*;
    use crate::{decoy::DecoyImage, engine::EngineOptions, runtime::simulated::Simulated};

    #[tokio::test]
    async fn a_topology_that_was_deleted_meanwhile_is_nowhere() {
        let repo = Arc::new(MemoryRepo::new());
        let options = EngineOptions::new(Catalog::builtin()).image(None::<Arc<DecoyImage>>);
        let engine = Engine::new(repo.clone(), Arc::new(Simulated::new()), options);
        let new = NewTopology::new("corp".parse().unwrap(), Topology::default());
        let new = new.mode(Mode::Agent).host("east".to_owned());
        let mut row = repo.create(new, Timestamp::UNIX_EPOCH).await.unwrap().row;
        row.status = Status::Active;
        let mut gone = row.clone();
        gone.id = rng::topology_id();
        let placements = engine.placements_of(&[gone, row]).await.unwrap();
        assert_eq!(placements.len(), 1);
    }
}
