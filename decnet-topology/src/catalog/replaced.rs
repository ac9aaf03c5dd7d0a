//! Which built-in entries a user's catalogue replaced.

use std::collections::BTreeMap;

use crate::{
    catalog::{Archetype, Service},
    name::ServiceName,
};

/// The built-in entries that were replaced by others; none for an entry that was added.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Replaced {
    pub(super) services: BTreeMap<ServiceName, Option<Service>>,
    pub(super) archetypes: BTreeMap<String, Option<Archetype>>,
}

impl Replaced {
    /// Returns whether no entry was added or replaced.
    pub(super) fn is_empty(&self) -> bool {
        self.services.is_empty() && self.archetypes.is_empty()
    }
}
