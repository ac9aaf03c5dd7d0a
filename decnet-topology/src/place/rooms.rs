use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
};

use super::{
    fault::PlaceFault,
    pieces::{Piece, connected},
    units::{Needs, Units},
};
use crate::placement::Distribution;

/// The room on each member while units are placed.
struct Rooms<'a> {
    units: &'a Units<'a>,
    distribution: Distribution,
    free: Vec<u32>,
    /// The groups of which each member has a unit.
    apart: Vec<BTreeSet<usize>>,
    is_used: Vec<bool>,
    hosts: Vec<Option<usize>>,
}

/// Places the units that are not kept, with at most `limits` deckies on each member, and returns the members of all units.
///
/// If `joins` is set, the trees of units are placed whole if they fit, and one that fits nowhere is cut. Otherwise each unit is
/// placed alone first, which wastes less room.
pub(super) fn fill(
    units: &Units,
    kept: &[Option<usize>],
    limits: &[u32],
    distribution: Distribution,
    joins: bool,
) -> Result<Vec<usize>, Vec<PlaceFault>> {
    let mut rooms = Rooms::new(units, kept, limits, distribution);
    rooms.place(connected(units, |unit| kept[unit].is_none(), |_, _| joins))?;
    rooms.rejoin(kept);
    Ok(rooms.hosts.into_iter().flatten().collect())
}

impl<'a> Rooms<'a> {
    fn new(units: &'a Units<'a>, kept: &[Option<usize>], limits: &[u32], distribution: Distribution) -> Self {
        let mut rooms = Self {
            units,
            distribution,
            free: limits.to_vec(),
            apart: vec![BTreeSet::new(); limits.len()],
            is_used: vec![false; limits.len()],
            hosts: kept.to_vec(),
        };
        for (unit, member) in kept.iter().enumerate() {
            if let Some(member) = *member {
                // A share may be smaller than what is kept.
                rooms.free[member] = rooms.free[member].saturating_sub(units.weights[unit]);
                rooms.apart[member].extend(&units.needs[unit].apart);
                rooms.is_used[member] = true;
            }
        }
        rooms
    }

    fn allows(&self, needs: &Needs, member: usize) -> bool {
        needs.members.as_ref().is_none_or(|members| members.contains(&member))
            && (needs.apart.is_empty() || needs.apart.is_disjoint(&self.apart[member]))
    }

    /// Returns the most room on a member that the rules allow.
    fn most(&self, needs: &Needs) -> Option<u32> {
        let members = (0..self.free.len()).filter(|&member| self.allows(needs, member));
        members.map(|member| self.free[member]).max()
    }

    /// Places all pieces. The queue has those first that the fewest members may have, then those in a group, then the heaviest.
    fn place(&mut self, pieces: Vec<Piece>) -> Result<(), Vec<PlaceFault>> {
        let mut faults = Vec::new();
        let mut stock: Vec<Option<Piece>> = Vec::new();
        let mut queue = BinaryHeap::new();
        let mut next = pieces;
        loop {
            for piece in std::mem::take(&mut next) {
                let needs = piece.needs.as_ref();
                let members = needs.map_or(0, |needs| needs.members.as_ref().map_or(self.free.len(), BTreeSet::len));
                let is_apart = needs.is_some_and(|needs| !needs.apart.is_empty());
                queue.push((
                    Reverse(members),
                    is_apart,
                    piece.weight,
                    Reverse(piece.units[0]),
                    stock.len(),
                ));
                stock.push(Some(piece));
            }
            let Some((.., at)) = queue.pop() else { break };
            let Some(piece) = stock[at].take() else { continue };
            if let Some(member) = self.choose(&piece) {
                self.put(&piece, member);
            } else if piece.units.len() > 1 {
                next = piece.cut(self.units, |needs| self.most(needs));
            } else {
                faults.push(PlaceFault::NoRoom {
                    what: self.units.shown(piece.units[0]),
                    deckies: piece.weight,
                    free: piece.needs.and_then(|needs| self.most(&needs)).unwrap_or(0),
                });
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// Counts the edges of the tree between a piece and the units on each member.
    fn edges_to(&self, piece: &Piece) -> Vec<u32> {
        let mut edges = vec![0; self.free.len()];
        let inside: BTreeSet<usize> = piece.units.iter().copied().collect();
        for &unit in &piece.units {
            let outside = self.units.neighbours(unit).filter(|other| !inside.contains(other));
            for member in outside.filter_map(|other| self.hosts[other]) {
                edges[member] += 1;
            }
        }
        edges
    }

    /// Chooses the member with the most edges to a piece that has room for it. Between equal ones, a full maze prefers a member in
    /// use, then the one with the least room; a spread one the member with the most room.
    fn choose(&self, piece: &Piece) -> Option<usize> {
        let needs = piece.needs.as_ref()?;
        let edges = self.edges_to(piece);
        let members =
            (0..self.free.len()).filter(|&member| self.free[member] >= piece.weight && self.allows(needs, member));
        members.max_by_key(|&member| {
            let free = i64::from(self.free[member]);
            let (is_used, room) = match self.distribution {
                Distribution::Pack => (self.is_used[member], -free),
                Distribution::Spread => (false, free),
            };
            (edges[member], is_used, room, Reverse(member))
        })
    }

    fn put(&mut self, piece: &Piece, member: usize) {
        self.free[member] -= piece.weight;
        self.is_used[member] = true;
        for &unit in &piece.units {
            self.apart[member].extend(&self.units.needs[unit].apart);
            self.hosts[unit] = Some(member);
        }
    }

    /// Moves pieces to members to which they have more edges, where there is room after all.
    fn rejoin(&mut self, kept: &[Option<usize>]) {
        let hosts = self.hosts.clone();
        let mut pieces = connected(
            self.units,
            |unit| kept[unit].is_none(),
            |one, other| hosts[one] == hosts[other],
        );
        pieces.sort_by_key(|piece| (piece.weight, piece.units[0]));
        for piece in pieces {
            let (Some(now), Some(needs)) = (self.hosts[piece.units[0]], piece.needs.as_ref()) else {
                continue;
            };
            let edges = self.edges_to(&piece);
            let better = (0..self.free.len()).filter(|&member| {
                edges[member] > edges[now] && self.free[member] >= piece.weight && self.allows(needs, member)
            });
            if let Some(member) = better.max_by_key(|&member| (edges[member], Reverse(member))) {
                self.free[now] += piece.weight;
                for &unit in &piece.units {
                    for group in &self.units.needs[unit].apart {
                        self.apart[now].remove(group);
                    }
                }
                self.put(&piece, member);
            }
        }
    }
}
