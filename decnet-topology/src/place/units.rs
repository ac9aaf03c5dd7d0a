use std::collections::{BTreeMap, BTreeSet};

use super::{fault::PlaceFault, member::Member, request::PlaceRequest};
use crate::{
    graph::{Forest, Links, links},
    model::{Lan, Topology},
    name::Name,
    placement::LabelPin,
    spelling,
};

/// What a set of units needs of its member.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Needs {
    /// The positions of the members that may have it; none for all.
    pub(super) members: Option<BTreeSet<usize>>,
    /// The groups that must be apart, by position, of which it has a unit.
    pub(super) apart: BTreeSet<usize>,
}

impl Needs {
    /// Returns whether every member with room may have it.
    pub(super) fn is_empty(&self) -> bool {
        self.members.is_none() && self.apart.is_empty()
    }

    /// Returns what two sets need together; none if they can never be on the same member.
    pub(super) fn with(&self, other: &Self) -> Option<Self> {
        if !self.apart.is_disjoint(&other.apart) {
            return None;
        }
        let members = match (&self.members, &other.members) {
            (Some(one), Some(other)) => Some(one & other),
            (one, other) => one.clone().or_else(|| other.clone()),
        };
        let possible = members.as_ref().is_none_or(|members| !members.is_empty());
        possible.then(|| Self {
            members,
            apart: &self.apart | &other.apart,
        })
    }
}

/// What is placed as a whole: each LAN with the deckies at home in it, in the order of the topology; then each decky without a LAN.
pub(super) struct Units<'a> {
    pub(super) topology: &'a Topology,
    /// The LANs that deckies connect.
    pub(super) links: Links,
    /// The number of deckies.
    pub(super) weights: Vec<u32>,
    /// The unit above, in the tree of LANs from the DMZ.
    pub(super) parents: Vec<Option<usize>>,
    pub(super) children: Vec<Vec<usize>>,
    /// Each parent before its children.
    pub(super) order: Vec<usize>,
    pub(super) needs: Vec<Needs>,
    /// The positions of the deckies without a LAN.
    pub(super) unattached: Vec<usize>,
}

impl<'a> Units<'a> {
    pub(super) fn new(topology: &'a Topology, request: &PlaceRequest, faults: &mut Vec<PlaceFault>) -> Self {
        let links = links(topology);
        let Forest {
            mut parents,
            mut children,
            mut order,
            ..
        } = Forest::new(topology, &links);
        let lans = topology.lans().len();
        let mut weights = vec![0_u32; lans];
        let mut unattached = Vec::new();
        for (at, decky) in topology.deckies().iter().enumerate() {
            match topology.home_index(decky) {
                Some(home) => weights[home] += 1,
                None => unattached.push(at),
            }
        }
        let units = lans + unattached.len();
        weights.resize(units, 1);
        parents.resize(units, None);
        children.resize(units, Vec::new());
        order.extend(lans..units);
        let mut needs = needs(topology, request, faults);
        needs.resize(units, Needs::default());
        Self {
            topology,
            links,
            weights,
            parents,
            children,
            order,
            needs,
            unattached,
        }
    }

    /// Returns the name of a unit for people.
    pub(super) fn shown(&self, unit: usize) -> String {
        let lans = self.topology.lans();
        if let Some(lan) = lans.get(unit) {
            return format!("LAN `{}`", lan.name());
        }
        let decky = &self.topology.deckies()[self.unattached[unit - lans.len()]];
        format!("decky `{}`", decky.name())
    }

    /// Returns the total number of deckies.
    pub(super) fn weight(&self) -> u64 {
        self.weights.iter().copied().map(u64::from).sum()
    }

    /// Walks the neighbours of a unit in the tree.
    pub(super) fn neighbours(&self, unit: usize) -> impl Iterator<Item = usize> {
        self.parents[unit]
            .into_iter()
            .chain(self.children[unit].iter().copied())
    }
}

/// Finds what each LAN needs, and the rules that no member can meet.
fn needs(topology: &Topology, request: &PlaceRequest, faults: &mut Vec<PlaceFault>) -> Vec<Needs> {
    let lans = topology.lans();
    let mut needs = vec![Needs::default(); lans.len()];
    let positions: BTreeMap<&Name, usize> = lans.iter().enumerate().map(|(at, lan)| (lan.name(), at)).collect();
    let find = |lan: &Name, faults: &mut Vec<PlaceFault>| {
        let found = positions.get(lan).copied();
        if found.is_none() {
            let hint = spelling::hint(lan.as_str(), lans.iter().map(|lan| lan.name().as_str()));
            faults.push(PlaceFault::RuleUnknownLan { lan: lan.clone(), hint });
        }
        found
    };
    let mut labels: BTreeMap<usize, Vec<Name>> = BTreeMap::new();
    for LabelPin { lan, label } in &request.rules.pins {
        if let Some(lan) = find(lan, faults) {
            labels.entry(lan).or_default().push(label.clone());
        }
    }
    let members_with = |has: &dyn Fn(&Member) -> bool| -> BTreeSet<usize> {
        let members = request.members.iter().enumerate();
        members.filter(|(_, member)| has(member)).map(|(at, _)| at).collect()
    };
    for (lan, labels) in labels {
        let members = members_with(&|member| labels.iter().all(|label| member.labels.contains(label)));
        if members.is_empty() {
            let lan = lans[lan].name().clone();
            faults.push(PlaceFault::LabelMissing { lan, labels });
        } else {
            needs[lan].members = Some(members);
        }
    }
    let public = members_with(&|member| member.has_label(Member::PUBLIC));
    for (at, decky) in gateway_lans(topology) {
        let both = match &needs[at].members {
            Some(members) => members & &public,
            None => public.clone(),
        };
        if both.is_empty() {
            let (lan, decky) = (lans[at].name().clone(), decky.clone());
            faults.push(PlaceFault::GatewayNotPublic { lan, decky });
        } else {
            needs[at].members = Some(both);
        }
    }
    // A rule that every member meets does not bind.
    for needs in &mut needs {
        needs.members = needs
            .members
            .take()
            .filter(|members| members.len() < request.members.len());
    }
    for (group, names) in request.rules.apart.iter().enumerate() {
        let group_lans: Vec<usize> = names.iter().filter_map(|lan| find(lan, faults)).collect();
        if let (true, Some(&first)) = (group_lans.len() > request.members.len(), group_lans.first()) {
            faults.push(PlaceFault::ApartTooMany {
                lan: lans[first].name().clone(),
                lans: group_lans.len() as u64,
                members: request.members.len() as u64,
            });
        }
        for lan in group_lans {
            needs[lan].apart.insert(group);
        }
    }
    needs
}

/// Returns the LANs that are the home of a gateway, with the first gateway of each.
fn gateway_lans(topology: &Topology) -> BTreeMap<usize, &Name> {
    let mut found = BTreeMap::new();
    if topology.lans().iter().any(Lan::is_dmz) {
        for decky in topology.deckies().iter().filter(|decky| topology.is_gateway(decky)) {
            if let Some(home) = topology.home_index(decky) {
                found.entry(home).or_insert(decky.name());
            }
        }
    }
    found
}
