//! Where a maze runs on a fleet.

use std::collections::{BTreeMap, BTreeSet};

use decnet_topology::{
    Member, Name, PlaceRequest, Placement, Status, StoredTopology, TopologyFilter, TopologyId, TopologyRow, place,
};
use jiff::Timestamp;

use super::{facts::Facts, lease::Session};
use crate::{
    engine::{Engine, EngineError},
    observe::Observed,
    runtime::MemberInfo,
};

impl Engine {
    /// Places a maze on the fleet, if the runtime is one. What is placed stays there, except with `force` what cannot stay.
    pub(in crate::engine) async fn placed(
        &self,
        facts: &Facts,
        mut stored: StoredTopology,
        force: bool,
    ) -> Result<StoredTopology, EngineError> {
        let row = &stored.row;
        let members = &facts.info.members;
        if members.is_empty() {
            require_fleet(facts, row)?;
            require_hosts(facts, row, None)?;
            return Ok(stored);
        }
        if facts.info.has_local && !asks_for_members(row) {
            return Ok(stored);
        }
        // A pending topology has nothing that must stay.
        let previous = row
            .placement
            .clone()
            .filter(|_| row.status != Status::Pending)
            .unwrap_or_default();
        let others = self
            .repo
            .list(&TopologyFilter::default().without(&[Status::TornDown]))
            .await?
            .rows;
        require_hosts(facts, row, others.iter().find(|other| other.id == row.id))?;
        let others: Vec<&Placement> = others
            .iter()
            .filter(|other| other.id != row.id)
            .filter_map(|other| other.placement.as_ref())
            .collect();
        let hosts = &row.settings.hosts;
        let allowed = members
            .values()
            .filter(|member| hosts.is_empty() || hosts.contains(&member.member.name));
        let candidates = allowed.filter_map(|member| candidate(member, &previous, &others, force));
        let request = PlaceRequest::new(row.id, candidates)
            .with_rules(row.settings.placement.clone())
            .with_used_vnis(others.iter().flat_map(|other| other.vnis()))
            .after(previous.clone());
        let request = if force { request.force() } else { request };
        let mut placement = place(&stored.topology, &request)?;
        placement.former = former(&previous, &placement, members);
        stored.row.placement = Some(placement);
        Ok(stored)
    }

    /// Observes the runtime without the members of a fleet that have nothing to do with a topology.
    pub(in crate::engine) async fn without_strangers(
        &self,
        id: TopologyId,
        mut observed: Observed,
    ) -> Result<Observed, EngineError> {
        if !observed.unseen.is_empty() {
            let known = match self.repo.get(id).await {
                // The name of this machine is empty.
                Ok(row) => row.placement.as_ref().map_or_else(|| [String::new()].into(), hosts_of),
                Err(decnet_topology::RepoError::NotFound { .. }) => BTreeSet::new(),
                Err(error) => return Err(error.into()),
            };
            observed.unseen.retain(|host, _| known.contains(host));
        }
        Ok(observed)
    }
}

impl Session<'_> {
    /// Stores where the topology is placed, unless it is stored already. The row may be a planned one.
    pub(in crate::engine) async fn keep_placement(
        &self,
        row: TopologyRow,
        placement: Option<&Placement>,
    ) -> Result<TopologyRow, EngineError> {
        let Some(placement) = placement else {
            return Ok(row);
        };
        let (repo, held) = (&self.engine.repo, self.lease.token());
        if repo.get(self.id).await?.placement.as_ref() == Some(placement) {
            return Ok(row);
        }
        let placed = repo.set_placement(self.id, Some(placement.clone()), held, Timestamp::now());
        Ok(placed.await?)
    }

    /// Forgets the members that the topology left and that have nothing of it any more, after a whole plan was executed. `observed` has the
    /// resources after that.
    pub(in crate::engine) async fn forget_former(
        &self,
        row: TopologyRow,
        observed: &Observed,
    ) -> Result<TopologyRow, EngineError> {
        let Some(mut placement) = row.placement.clone().filter(|placement| !placement.former.is_empty()) else {
            return Ok(row);
        };
        placement.former = still_former(&placement, observed);
        self.keep_placement(row, Some(&placement)).await
    }
}

/// Returns whether a topology belongs on members of a fleet that also has the runtime of this machine: it is placed there, or its
/// settings ask for it.
fn asks_for_members(row: &TopologyRow) -> bool {
    row.placement.is_some() || !row.settings.hosts.is_empty() || !row.settings.placement.is_empty()
}

/// Refuses settings that name hosts which the fleet does not have. Those of a placed maze may stay, because it must heal after a host
/// left the fleet.
fn require_hosts(facts: &Facts, row: &TopologyRow, stored: Option<&TopologyRow>) -> Result<(), EngineError> {
    let members = &facts.info.members;
    let is_member = |host: &&Name| members.values().any(|member| member.member.name == **host);
    let unknown: Vec<String> = row
        .settings
        .hosts
        .iter()
        .filter(|host| !is_member(host))
        .map(ToString::to_string)
        .collect();
    let is_kept = |stored: &TopologyRow| stored.placement.is_some() && stored.settings.hosts == row.settings.hosts;
    if unknown.is_empty() || stored.is_some_and(is_kept) && unknown.len() < row.settings.hosts.len() {
        return Ok(());
    }
    Err(EngineError::HostsUnknown {
        name: row.name.clone(),
        hosts: unknown,
        known: members.values().map(|member| member.member.name.to_string()).collect(),
    })
}

/// Returns a member as the placement sees it: its room is what other mazes leave. A member that does not answer or is drained keeps
/// what it has, and gets nothing more. With force, a drained one does not keep it.
fn candidate(member: &MemberInfo, previous: &Placement, others: &[&Placement], force: bool) -> Option<Member> {
    let count = |placement: &Placement| {
        let here = placement
            .deckies
            .values()
            .filter(|host| **host == member.member.name)
            .count();
        u32::try_from(here).unwrap_or(u32::MAX)
    };
    let own = count(previous);
    let keeps_only = member.silent.is_some() || member.member.drained;
    let is_here = previous.members().contains(&member.member.name);
    if keeps_only && (!is_here || member.member.drained && force) {
        return None;
    }
    let taken = others.iter().map(|other| count(other)).fold(0, u32::saturating_add);
    let room = member.member.capacity.saturating_sub(taken);
    let mut candidate = member.member.clone();
    candidate.capacity = if keeps_only { own } else { room };
    Some(candidate)
}

/// Returns the members that may still have parts of a maze, although it is not placed there any more. Nobody can remove what a host has
/// that is no member any more.
fn former(previous: &Placement, placement: &Placement, members: &BTreeMap<String, MemberInfo>) -> BTreeSet<Name> {
    let now = placement.members();
    let before = previous
        .members()
        .into_iter()
        .chain(&previous.former)
        .filter(|host| !now.contains(host));
    before
        .filter(|host| members.contains_key(host.as_str()))
        .cloned()
        .collect()
}

/// Returns the members that a maze left, and that do not answer or still have a part of it. Volumes that are kept stay there.
fn still_former(placement: &Placement, observed: &Observed) -> BTreeSet<Name> {
    let links = observed.links.iter().flatten();
    let volumes = observed.volumes.iter().filter(|volume| !volume.is_kept());
    let containers = observed.containers.iter().map(|found| found.name.host());
    let found: BTreeSet<&str> = containers
        .chain(observed.networks.iter().map(|found| found.name.host()))
        .chain(volumes.map(|found| found.name.host()))
        .chain(links.map(|found| found.name.host()))
        .flatten()
        .chain(observed.unseen.keys().map(String::as_str))
        .collect();
    let former = placement.former.iter();
    former.filter(|host| found.contains(host.as_str())).cloned().collect()
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

/// Refuses a maze that is placed on members of a fleet if the runtime is not one.
pub(in crate::engine) fn require_fleet(facts: &Facts, row: &TopologyRow) -> Result<(), EngineError> {
    let runs = !matches!(row.status, Status::Pending | Status::TornDown);
    match row.placement.as_ref().filter(|_| runs && facts.info.members.is_empty()) {
        Some(placement) => Err(EngineError::FleetMissing {
            name: row.name.clone(),
            hosts: hosts_of(placement).into_iter().collect(),
        }),
        None => Ok(()),
    }
}
