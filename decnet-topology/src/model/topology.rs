use std::collections::BTreeMap;

use crate::{
    catalog::{Catalog, CatalogExcerpt},
    id::{DeckyId, LanId},
    model::{Attachment, Decky, Lan, TopologyError, Workloads, well_formed::doubled},
    name::Name,
};

/// A complete, well-formed maze: LANs, deckies and attachments.
///
/// Names are unique (case is ignored), every attachment has a LAN and an address, and no decky is on one LAN twice. The validator
/// checks whether the maze makes sense.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Topology {
    /// In order of id.
    lans: Vec<Lan>,
    /// In order of id.
    deckies: Vec<Decky>,
}

impl Topology {
    /// Returns what the maze uses of a user's catalogue: the entries of its services and archetypes that differ from the built-in
    /// ones.
    pub fn catalog_excerpt(&self, catalog: &Catalog) -> CatalogExcerpt {
        let services = self.deckies.iter().flat_map(Decky::services);
        catalog.excerpt(services, self.deckies.iter().filter_map(Decky::archetype))
    }

    /// Builds a topology from LANs and deckies, in order of their ids.
    pub fn new(mut lans: Vec<Lan>, mut deckies: Vec<Decky>) -> Result<Self, TopologyError> {
        lans.sort_by_key(Lan::id);
        deckies.sort_by_key(Decky::id);
        if let Some([lan, _]) = lans.array_windows().find(|[one, other]| one.id() == other.id()) {
            return Err(TopologyError::LanIdDup { id: lan.id() });
        }
        if let Some([decky, _]) = deckies.array_windows().find(|[one, other]| one.id() == other.id()) {
            return Err(TopologyError::DeckyIdDup { id: decky.id() });
        }
        if let Some(name) = doubled(lans.iter().map(|lan| lan.name().as_str())).first() {
            return Err(TopologyError::LanNameDup { name: (*name).into() });
        }
        if let Some(name) = doubled(deckies.iter().map(|decky| decky.name().as_str())).first() {
            return Err(TopologyError::DeckyNameDup { name: (*name).into() });
        }
        lans.shrink_to_fit();
        deckies.shrink_to_fit();
        let mut workloads = Workloads::default();
        for decky in &mut deckies {
            workloads.share(decky.workload_mut());
        }
        let topology = Self { lans, deckies };
        for decky in &topology.deckies {
            for (at, attachment) in decky.attachments().iter().enumerate() {
                let (name, lan) = (|| decky.name().to_string(), attachment.lan);
                let Some(known) = topology.lan(lan) else {
                    let lan = lan.to_string();
                    return Err(TopologyError::UnknownLan { decky: name(), lan });
                };
                let earlier = &decky.attachments()[..at];
                if earlier.iter().any(|earlier| earlier.lan == lan) {
                    let lan = known.name().to_string();
                    return Err(TopologyError::AttachmentDup { decky: name(), lan });
                }
            }
        }
        Ok(topology)
    }

    /// Replaces the LAN with the same id, or adds it. Its name must be unique.
    pub(crate) fn with_lan(mut self, lan: Lan) -> Self {
        match self.lans.binary_search_by_key(&lan.id(), Lan::id) {
            Ok(at) => self.lans[at] = lan,
            Err(at) => {
                self.lans.reserve_exact(1);
                self.lans.insert(at, lan);
            }
        }
        self.debug_well_formed()
    }

    /// Removes a LAN, and the attachments to it.
    pub(crate) fn without_lan(mut self, id: LanId) -> Self {
        self.lans.retain(|lan| lan.id() != id);
        for decky in &mut self.deckies {
            decky.detach(id);
        }
        self.debug_well_formed()
    }

    /// Replaces the decky with the same id, or adds it. Its name must be unique, and its LANs must exist.
    pub(crate) fn with_decky(mut self, decky: Decky) -> Self {
        match self.deckies.binary_search_by_key(&decky.id(), Decky::id) {
            Ok(at) => self.deckies[at] = decky,
            Err(at) => {
                self.deckies.reserve_exact(1);
                self.deckies.insert(at, decky);
            }
        }
        self.debug_well_formed()
    }

    /// Removes a decky.
    pub(crate) fn without_decky(mut self, id: DeckyId) -> Self {
        if let Ok(at) = self.deckies.binary_search_by_key(&id, Decky::id) {
            self.deckies.remove(at);
        }
        self
    }

    fn debug_well_formed(self) -> Self {
        if cfg!(debug_assertions) {
            let again = Self::new(self.lans.clone(), self.deckies.clone());
            debug_assert_eq!(again.err(), None, "callers check their changes");
        }
        self
    }

    /// Returns the LANs, in order of id.
    pub fn lans(&self) -> &[Lan] {
        &self.lans
    }

    /// Returns the deckies, in order of id.
    pub fn deckies(&self) -> &[Decky] {
        &self.deckies
    }

    /// Splits the topology into its LANs and deckies.
    pub fn into_parts(self) -> (Vec<Lan>, Vec<Decky>) {
        (self.lans, self.deckies)
    }

    /// Returns the index of a LAN in [`lans`](Self::lans).
    pub fn lan_index(&self, id: LanId) -> Option<usize> {
        // Most topologies number their LANs from 0 without gaps.
        let likely = id.ordinal() as usize;
        if self.lans.get(likely).is_some_and(|lan| lan.id() == id) {
            return Some(likely);
        }
        self.lans.binary_search_by_key(&id, Lan::id).ok()
    }

    /// Returns the LAN with that id.
    pub fn lan(&self, id: LanId) -> Option<&Lan> {
        self.lan_index(id).map(|at| &self.lans[at])
    }

    /// Returns the LAN with that name. It walks all LANs; for many names, [`lans_by_name`](Self::lans_by_name) is cheaper.
    pub fn lan_named(&self, name: &Name) -> Option<&Lan> {
        self.lans.iter().find(|lan| lan.name() == name)
    }

    /// Returns the LANs by their names.
    pub fn lans_by_name(&self) -> BTreeMap<&Name, &Lan> {
        self.lans.iter().map(|lan| (lan.name(), lan)).collect()
    }

    /// Returns the decky with that id.
    pub fn decky(&self, id: DeckyId) -> Option<&Decky> {
        self.deckies
            .binary_search_by_key(&id, Decky::id)
            .ok()
            .map(|at| &self.deckies[at])
    }

    /// Returns the position of the LAN that is the home of a decky.
    pub(crate) fn home_index(&self, decky: &Decky) -> Option<usize> {
        decky.home().and_then(|home| self.lan_index(home.lan))
    }

    /// Returns the decky with that name. It walks all deckies.
    pub fn decky_named(&self, name: &Name) -> Option<&Decky> {
        self.deckies.iter().find(|decky| decky.name() == name)
    }

    /// Returns the DMZ; if there are several, the first.
    pub fn dmz(&self) -> Option<&Lan> {
        self.lans.iter().find(|lan| lan.is_dmz())
    }

    /// Returns whether a decky is a gateway, whose ports the host publishes: it forwards and its home is the DMZ.
    pub fn is_gateway(&self, decky: &Decky) -> bool {
        decky.forwards_l3()
            && decky
                .home()
                .and_then(|home| self.lan(home.lan))
                .is_some_and(Lan::is_dmz)
    }

    /// Walks all attachments, each with its decky.
    pub fn edges(&self) -> impl Iterator<Item = (&Decky, Attachment)> {
        self.deckies
            .iter()
            .flat_map(|decky| decky.attachments().iter().map(move |attachment| (decky, *attachment)))
    }
}
