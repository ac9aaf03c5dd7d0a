use std::{collections::BTreeSet, net::Ipv4Addr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::Name;

/// One host of a fleet: what a placement needs to know of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Member {
    /// Its name.
    pub name: Name,
    /// Its labels. Gateways are placed only on members labelled [`public`](Self::PUBLIC).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<Name>,
    /// The largest number of deckies of this maze, with those that it already has. The caller subtracts the deckies of others.
    pub capacity: u32,
    /// Whether it is drained: it keeps what it has, gets nothing more, and loses all of it with `force`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drained: bool,
    /// Its address on the network that connects the members.
    pub underlay: Ipv4Addr,
    /// The MTU of that network on this member, in bytes.
    pub mtu: u16,
}

impl Member {
    /// The label of members that outsiders reach.
    pub const PUBLIC: &str = "public";

    /// Creates a member without labels.
    pub fn new(name: Name, capacity: u32, underlay: Ipv4Addr, mtu: u16) -> Self {
        Self {
            name,
            labels: BTreeSet::new(),
            capacity,
            drained: false,
            underlay,
            mtu,
        }
    }

    /// Adds a label.
    #[must_use]
    pub fn labelled(mut self, label: Name) -> Self {
        self.labels.insert(label);
        self
    }

    /// Marks it as drained.
    #[must_use]
    pub fn drained(mut self) -> Self {
        self.drained = true;
        self
    }

    /// Returns whether it has a label.
    pub fn has_label(&self, label: &str) -> bool {
        self.labels
            .iter()
            .any(|known| known.as_str().eq_ignore_ascii_case(label))
    }
}
