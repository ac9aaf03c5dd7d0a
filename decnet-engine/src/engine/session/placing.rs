//! Where a maze runs on a fleet.

use std::collections::{BTreeMap, BTreeSet};

use decnet_topology::{
    Member, Name, NotPlaced, PlaceFault, PlaceRequest, Placement, Status, StoredTopology, TopologyFilter, TopologyId,
    TopologyRow, place,
};
use jiff::Timestamp;

use super::{
    facts::{CurrentState, Facts},
    hosts::{hosts_of, require_hosts_of},
    lease::Session,
};
use crate::{
    engine::{Engine, EngineError, MissingUnderlay},
    observe::Observed,
    runtime::MemberInfo,
};

impl Engine {
    /// Places a maze on the fleet, if the runtime is one. What is placed stays there, except with `force` what cannot stay. If the maze is
    /// a copy, its original takes no room.
    pub(in crate::engine) async fn placed(
        &self,
        current: &CurrentState<'_>,
        mut stored: StoredTopology,
        force: bool,
    ) -> Result<StoredTopology, EngineError> {
        let (facts, row) = (current.facts, &stored.row);
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
        let mut others = self
            .repo
            .list(&TopologyFilter::default().without(&[Status::TornDown]))
            .await?
            .rows;
        require_hosts(facts, row, others.iter().find(|other| other.id == row.id))?;
        others.retain(|other| ![row.id, current.before.row.id].contains(&other.id));
        let others = self.placements_of(&others).await?;
        let hosts = &row.settings.hosts;
        let allowed = members
            .values()
            .filter(|member| hosts.is_empty() || hosts.contains(&member.member.name));
        let full = allowed.clone().filter_map(why_full).collect();
        let candidates: Vec<_> = allowed
            .filter_map(|member| candidate(member, &previous, &others, force))
            .collect();
        if candidates.is_empty() {
            return Err(NotPlaced { faults: full }.into());
        }
        let request = PlaceRequest::new(row.id, candidates)
            .with_rules(row.settings.placement.clone())
            .with_used_vnis(others.iter().flat_map(Placement::vnis))
            .after(previous.clone());
        let request = if force { request.force() } else { request };
        let mut placement = place(&stored.topology, &request).map_err(|mut refused| {
            refused.faults.extend(full);
            refused
        })?;
        require_underlays(&placement, members)?;
        placement.former = former(&previous, &placement, members);
        stored.row.placement = Some(placement);
        Ok(stored)
    }

    /// Observes the runtime without the members of a fleet that have nothing to do with a topology. Hosts of the topology that are in the
    /// store and not in the fleet of this runtime are unseen.
    pub(in crate::engine) async fn without_strangers(
        &self,
        id: TopologyId,
        mut observed: Observed,
    ) -> Result<Observed, EngineError> {
        let row = match self.repo.get(id).await {
            Ok(row) => row,
            Err(decnet_topology::RepoError::NotFound { .. }) => {
                observed.unseen.clear();
                return Ok(observed);
            }
            Err(error) => return Err(error.into()),
        };
        let Some(placement) = &row.placement else {
            // The name of this machine is empty.
            observed.unseen.retain(|host, _| host.is_empty());
            return Ok(observed);
        };
        let known = hosts_of(placement);
        observed.unseen.retain(|host, _| known.contains(host));
        let members = self.runtime.members().await?;
        if known.iter().any(|host| !members.contains_key(host)) {
            for host in self.topology_hosts(&row).await?.present {
                if !members.contains_key(&host) {
                    let reason = "it is in the database, but not in the fleet of this program".to_owned();
                    observed.unseen.entry(host).or_insert(reason);
                }
            }
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
fn candidate(member: &MemberInfo, previous: &Placement, others: &[Placement], force: bool) -> Option<Member> {
    let count = |placement: &Placement| placement.deckies_on(&member.member.name);
    let own = count(previous);
    let keeps_only = member.silent.is_some() || member.member.drained;
    let is_here = previous.members().contains(&member.member.name);
    if keeps_only && (!is_here || member.member.drained && force) {
        return None;
    }
    let taken = others.iter().map(&count).fold(0, u32::saturating_add);
    let room = member.member.capacity.saturating_sub(taken);
    let mut candidate = member.member.clone();
    candidate.mtu = underlay_mtu(member);
    candidate.capacity = if keeps_only { own } else { room };
    Some(candidate)
}

/// Returns why a member gets no more deckies, whatever room it has; none if it may get some.
fn why_full(member: &MemberInfo) -> Option<PlaceFault> {
    let Member { name, drained, .. } = &member.member;
    if *drained {
        return Some(PlaceFault::MemberDrained { member: name.clone() });
    }
    member
        .silent
        .as_ref()
        .map(|_| PlaceFault::MemberSilent { member: name.clone() })
}

/// Returns the MTU of the network between the members on one of them: what the operator gave, or that of the interface if it is smaller.
fn underlay_mtu(member: &MemberInfo) -> u16 {
    let given = member.member.mtu;
    let interfaces = member.info.as_ref().map(|info| &info.interfaces);
    let interface = interfaces.and_then(|interfaces| interfaces.get(&member.member.underlay));
    interface.map_or(given, |interface| interface.mtu.min(given))
}

/// Refuses a placement with links from an address that their host does not have: their packets would be lost. A host that does not report
/// its interfaces is not checked.
fn require_underlays(placement: &Placement, members: &BTreeMap<String, MemberInfo>) -> Result<(), EngineError> {
    let connected: BTreeSet<&Name> = placement.stretched.values().flat_map(|lan| &lan.members).collect();
    let missing = |host: &Name| {
        let member = members.get(host.as_str())?;
        let (underlay, interfaces) = (member.member.underlay, &member.info.as_ref()?.interfaces);
        let is_missing = !interfaces.is_empty() && !interfaces.contains_key(&underlay);
        is_missing.then(|| MissingUnderlay {
            host: host.clone(),
            underlay,
            addresses: interfaces.keys().copied().collect(),
        })
    };
    let hosts: Vec<_> = connected.into_iter().filter_map(missing).collect();
    if hosts.is_empty() {
        return Ok(());
    }
    Err(EngineError::UnderlayMissing { hosts })
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

/// Refuses a maze that is placed on members of a fleet if the runtime is not one.
pub(in crate::engine) fn require_fleet(facts: &Facts, row: &TopologyRow) -> Result<(), EngineError> {
    if facts.info.members.is_empty() {
        require_hosts_of(row)?;
    }
    Ok(())
}

/// Returns whether all of a running maze has a place although its hosts do not comply with the rules: one left the fleet or lost a label,
/// has more deckies than it may have, or another address or MTU. All hosts that its settings name may be gone, too.
pub(in crate::engine) fn has_place(stored: &StoredTopology, fault: &EngineError) -> bool {
    let StoredTopology { row, topology } = stored;
    let is_of_hosts = matches!(
        fault,
        EngineError::NotPlaced(_) | EngineError::UnderlayMissing { .. } | EngineError::HostsUnknown { .. }
    );
    let has_all = |placement: &Placement| {
        let mut lans = topology.lans().iter();
        let mut deckies = topology.deckies().iter();
        lans.all(|lan| placement.lans.contains_key(&lan.id()))
            && deckies.all(|decky| placement.deckies.contains_key(&decky.id()))
    };
    is_of_hosts && row.placement.as_ref().is_some_and(has_all)
}
