use std::collections::BTreeSet;

use super::member::Member;
use crate::{
    id::TopologyId,
    placement::{Placement, PlacementRules, Vni},
};

/// What [`place`](fn@crate::place) needs besides the maze.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlaceRequest {
    /// The id of the stored maze. VNIs depend on it.
    pub topology: TopologyId,
    /// The members. Between equal ones, the first is preferred.
    pub members: Vec<Member>,
    /// The rules.
    pub rules: PlacementRules,
    /// Where the maze is now; empty for a new one. Parts that the maze does not have any more are ignored.
    pub previous: Placement,
    /// The VNIs of the other mazes of the fleet.
    pub used_vnis: BTreeSet<Vni>,
    /// Whether parts that cannot stay may move, and VNIs that are used twice may change.
    pub force: bool,
}

impl PlaceRequest {
    /// Creates the request for a new maze, without rules.
    pub fn new(topology: TopologyId, members: impl IntoIterator<Item = Member>) -> Self {
        Self {
            topology,
            members: members.into_iter().collect(),
            rules: PlacementRules::default(),
            previous: Placement::default(),
            used_vnis: BTreeSet::new(),
            force: false,
        }
    }

    /// Sets the rules.
    #[must_use]
    pub fn with_rules(mut self, rules: PlacementRules) -> Self {
        self.rules = rules;
        self
    }

    /// Sets where the maze is now.
    #[must_use]
    pub fn after(mut self, previous: Placement) -> Self {
        self.previous = previous;
        self
    }

    /// Adds VNIs of other mazes.
    #[must_use]
    pub fn with_used_vnis(mut self, vnis: impl IntoIterator<Item = Vni>) -> Self {
        self.used_vnis.extend(vnis);
        self
    }

    /// Lets parts move that cannot stay.
    #[must_use]
    pub fn force(mut self) -> Self {
        self.force = true;
        self
    }
}
