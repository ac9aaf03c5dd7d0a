use std::collections::{BTreeMap, BTreeSet};

use crate::{
    id::{DeckyId, LanId},
    model::{Attachment, Decky, Lan, Workloads},
    name::{Name, Sums},
};

/// Says why LANs and deckies make no topology.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum TopologyError {
    /// Two LANs have one name.
    #[error("two LANs are called `{name}`")]
    LanNameDup {
        /// The name.
        name: Name,
    },
    /// Two deckies have one name.
    #[error("two deckies are called `{name}`")]
    DeckyNameDup {
        /// The name.
        name: Name,
    },
    /// Two LANs have one id.
    #[error("two LANs have the id {id}")]
    LanIdDup {
        /// The id.
        id: LanId,
    },
    /// Two deckies have one id.
    #[error("two deckies have the id {id}")]
    DeckyIdDup {
        /// The id.
        id: DeckyId,
    },
    /// A decky is attached to a LAN that is not there.
    #[error("decky `{decky}` is attached to LAN {lan}, which is not there")]
    UnknownLan {
        /// The decky.
        decky: Name,
        /// The LAN.
        lan: String,
    },
    /// A decky is attached twice to one LAN.
    #[error("decky `{decky}` is attached twice to LAN {lan}")]
    AttachmentDup {
        /// The decky.
        decky: Name,
        /// The LAN.
        lan: String,
    },
}

impl TopologyError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        self.into()
    }
}

/// A complete, well-formed maze: LANs, deckies and who is attached to what.
///
/// Names are unique (case ignored), every attachment has its LAN and its address, no decky is twice on one LAN. Whether the
/// maze makes sense is for the validator to say.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Topology {
    /// In order of id.
    lans: Vec<Lan>,
    /// In order of id.
    deckies: Vec<Decky>,
}

impl Topology {
    /// Puts LANs and deckies together, in order of their ids.
    pub fn new(mut lans: Vec<Lan>, mut deckies: Vec<Decky>) -> Result<Self, TopologyError> {
        lans.sort_by_key(Lan::id);
        deckies.sort_by_key(Decky::id);
        let twice = lans.windows(2).find(|pair| pair[0].id() == pair[1].id());
        if let Some(pair) = twice {
            return Err(TopologyError::LanIdDup { id: pair[0].id() });
        }
        let twice = deckies.windows(2).find(|pair| pair[0].id() == pair[1].id());
        if let Some(pair) = twice {
            return Err(TopologyError::DeckyIdDup { id: pair[0].id() });
        }
        if let Some(name) = first_double(lans.iter().map(Lan::name)) {
            return Err(TopologyError::LanNameDup { name: name.clone() });
        }
        if let Some(name) = first_double(deckies.iter().map(Decky::name)) {
            return Err(TopologyError::DeckyNameDup { name: name.clone() });
        }
        lans.shrink_to_fit();
        deckies.shrink_to_fit();
        let mut workloads = Workloads::default();
        for decky in &mut deckies {
            workloads.share(decky.loadout_mut());
        }
        let topology = Self { lans, deckies };
        for decky in &topology.deckies {
            for (at, attachment) in decky.attachments().iter().enumerate() {
                let decky_name = || decky.name().clone();
                let Some(lan) = topology.lan(attachment.lan) else {
                    return Err(TopologyError::UnknownLan {
                        decky: decky_name(),
                        lan: attachment.lan.to_string(),
                    });
                };
                if decky.attachments()[..at]
                    .iter()
                    .any(|earlier| earlier.lan == attachment.lan)
                {
                    return Err(TopologyError::AttachmentDup {
                        decky: decky_name(),
                        lan: lan.name().to_string(),
                    });
                }
            }
        }
        Ok(topology)
    }

    /// Puts a LAN in the place of the one of its id, or adds it. Its name must be that of no other.
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

    /// Takes a LAN away, and the attachments to it.
    pub(crate) fn without_lan(mut self, id: LanId) -> Self {
        self.lans.retain(|lan| lan.id() != id);
        for decky in &mut self.deckies {
            decky.detach(id);
        }
        self.debug_well_formed()
    }

    /// Puts a decky in the place of the one of its id, or adds it. Its name must be that of no other, and its LANs there.
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

    /// Takes a decky away.
    pub(crate) fn without_decky(mut self, id: DeckyId) -> Self {
        if let Ok(at) = self.deckies.binary_search_by_key(&id, Decky::id) {
            self.deckies.remove(at);
        }
        self
    }

    fn debug_well_formed(self) -> Self {
        if cfg!(debug_assertions) {
            let again = Self::new(self.lans.clone(), self.deckies.clone());
            debug_assert_eq!(again.err(), None, "a change of one part was checked by who made it");
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

    /// Takes the topology apart into its LANs and deckies.
    pub fn into_parts(self) -> (Vec<Lan>, Vec<Decky>) {
        (self.lans, self.deckies)
    }

    /// Returns the place of a LAN in [`lans`](Self::lans).
    pub fn lan_index(&self, id: LanId) -> Option<usize> {
        // Most topologies number their LANs from 0 without a gap.
        let likely = id.ordinal() as usize;
        if self.lans.get(likely).is_some_and(|lan| lan.id() == id) {
            return Some(likely);
        }
        self.lans.binary_search_by_key(&id, Lan::id).ok()
    }

    /// Returns the LAN of that id.
    pub fn lan(&self, id: LanId) -> Option<&Lan> {
        self.lan_index(id).map(|at| &self.lans[at])
    }

    /// Returns the LAN of that name. It walks all LANs; for many names, [`lans_by_name`](Self::lans_by_name) is cheaper.
    pub fn lan_named(&self, name: &Name) -> Option<&Lan> {
        self.lans.iter().find(|lan| lan.name() == name)
    }

    /// Returns the LANs by their names.
    pub fn lans_by_name(&self) -> BTreeMap<&Name, &Lan> {
        self.lans.iter().map(|lan| (lan.name(), lan)).collect()
    }

    /// Returns the decky of that id.
    pub fn decky(&self, id: DeckyId) -> Option<&Decky> {
        self.deckies
            .binary_search_by_key(&id, Decky::id)
            .ok()
            .map(|at| &self.deckies[at])
    }

    /// Returns the decky of that name. It walks all deckies.
    pub fn decky_named(&self, name: &Name) -> Option<&Decky> {
        self.deckies.iter().find(|decky| decky.name() == name)
    }

    /// Returns the DMZ; of several, the first.
    pub fn dmz(&self) -> Option<&Lan> {
        self.lans.iter().find(|lan| lan.is_dmz())
    }

    /// Returns whether a decky publishes its services' ports on the host: it forwards and its home is the DMZ.
    pub fn is_gateway(&self, decky: &Decky) -> bool {
        decky.forwards_l3()
            && decky
                .home()
                .and_then(|home| self.lan(home.lan))
                .is_some_and(Lan::is_dmz)
    }

    /// Walks every attachment with its decky.
    pub fn edges(&self) -> impl Iterator<Item = (&Decky, Attachment)> {
        self.deckies
            .iter()
            .flat_map(|decky| decky.attachments().iter().map(move |attachment| (decky, *attachment)))
    }
}

fn first_double<'a>(names: impl Iterator<Item = &'a Name> + Clone) -> Option<&'a Name> {
    let mut sums = Sums::default();
    names.clone().for_each(|name| sums.add(name.as_str()));
    if sums.all_differ() {
        return None;
    }
    let mut seen = BTreeSet::new();
    let mut names = names;
    names.find(|name| !seen.insert(*name))
}
