//! Plausible hosts: an archetype for each decky, and a name that fits it.

use std::collections::BTreeMap;

use crate::{
    catalog::{Archetype, Catalog},
    config::{Naming, ServiceChoice, TopologyConfig},
    generate::GenerateError,
    name::Name,
    rng::RandomStream,
};

/// A host that a LAN may have: its archetype, the word in its name, and how often it is drawn relative to others.
type Role = (&'static str, &'static str, u8);

/// What a LAN is used for: how often it is drawn relative to others, the first words of names, the hosts.
struct Purpose {
    weight: u8,
    units: &'static [&'static str],
    roles: &'static [Role],
}

/// The LANs other than the DMZ. No two share a unit, so no two have hosts with the same name.
const PURPOSES: [Purpose; 3] = [
    Purpose {
        weight: 5,
        units: &["fin", "hr", "sales", "legal", "mkt", "ops", "eng", "it", "exec", "proc"],
        roles: &[
            ("windows-workstation", "desk", 12),
            ("linux-workstation", "dev", 3),
            ("printer", "print", 3),
            ("file-server", "files", 2),
            ("voip-server", "pbx", 1),
        ],
    },
    Purpose {
        weight: 3,
        units: &["srv", "app", "core", "data", "infra"],
        roles: &[
            ("database-server", "db", 4),
            ("web-server", "web", 4),
            ("mail-server", "mail", 2),
            ("file-server", "files", 2),
            ("linux-server", "lnx", 3),
            ("windows-server", "win", 3),
            ("search-server", "search", 1),
            ("container-host", "docker", 1),
        ],
    },
    PLANT,
];

/// A LAN of machines.
const PLANT: Purpose = Purpose {
    weight: 1,
    units: &["plant", "line", "lab", "depot"],
    roles: &[
        ("industrial-control", "plc", 4),
        ("iot-device", "sensor", 4),
        ("windows-workstation", "hmi", 2),
        ("printer", "print", 1),
    ],
};

/// The DMZ.
const OUTSIDE: Purpose = Purpose {
    weight: 1,
    units: &["edge"],
    roles: &[
        ("web-server", "web", 3),
        ("mail-server", "mail", 1),
        ("linux-server", "lnx", 1),
    ],
};

/// The decky that joins a LAN to its parent, if it forwards and if it does not.
const ROUTER: Role = ("network-switch", "switch", 1);
const BRIDGE: Role = ("jump-host", "jump", 1);
/// The one domain controller of a maze.
const CONTROLLER: Role = ("domain-controller", "dc", 1);

/// One decky before it is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// The position of its LAN.
    pub(super) lan: usize,
    /// Its number within the LAN.
    pub(super) number: usize,
    /// Whether it joins its LAN to the parent, and then whether it forwards.
    pub(super) bridge: Option<bool>,
}

/// The hosts of a maze, in the order of its deckies.
#[derive(Debug)]
pub(super) struct Hosts<'c> {
    seed: u64,
    catalog: &'c Catalog,
    has_archetypes: bool,
    has_names: bool,
    /// For each LAN, its purpose and its unit.
    lans: Vec<(&'static Purpose, String)>,
    /// The LAN and number of the domain controller.
    controller: Option<(usize, usize)>,
    /// How many deckies of the current LAN have each word.
    counts: (usize, BTreeMap<&'static str, u32>),
}

/// A drawn host.
#[derive(Debug)]
pub(super) struct Host<'c> {
    pub(super) archetype: Option<&'c Archetype>,
    pub(super) name: Option<Name>,
}

impl std::fmt::Debug for Purpose {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Purpose").field(&self.units.first()).finish()
    }
}

impl<'c> Hosts<'c> {
    /// Draws the purposes of the LANs, and the place of the domain controller; none if the config asks for none of it.
    pub(super) fn draw(
        config: &TopologyConfig,
        catalog: &'c Catalog,
        lan_count: usize,
        places: impl Iterator<Item = Place>,
    ) -> Option<Self> {
        let has_archetypes = config.services() == ServiceChoice::Archetypes;
        let has_names = config.naming() == Naming::Realistic;
        if !has_archetypes && !has_names {
            return None;
        }
        let lans = purposes(config.seed(), lan_count);
        Some(Self {
            seed: config.seed(),
            catalog,
            has_archetypes,
            has_names,
            controller: controller(config.seed(), &lans, places),
            lans,
            counts: (0, BTreeMap::new()),
        })
    }

    /// Draws the next decky.
    pub(super) fn next(&mut self, place: Place) -> Result<Host<'c>, GenerateError> {
        let (purpose, unit) = &self.lans[place.lan];
        let fixed = match place.bridge {
            _ if self.controller == Some((place.lan, place.number)) => Some(CONTROLLER),
            Some(true) => Some(ROUTER),
            Some(false) => Some(BRIDGE),
            None => None,
        };
        let fixed = fixed.filter(|(archetype, ..)| self.usable(archetype).is_some());
        let (archetype, word, _) = if let Some(role) = fixed {
            role
        } else {
            let roles = purpose
                .roles
                .iter()
                .filter(|(archetype, ..)| self.usable(archetype).is_some());
            let roles: Vec<Role> = roles.copied().collect();
            let ordinal = (place.lan as u64) << 8 | place.number as u64;
            let mut stream = RandomStream::new(self.seed, "decky.role", ordinal);
            let drawn = weighted(&mut stream, &roles, |(.., weight)| *weight);
            drawn.copied().ok_or(GenerateError::NoServices)?
        };
        if self.counts.0 != place.lan {
            self.counts = (place.lan, BTreeMap::new());
        }
        let count = self.counts.1.entry(word).or_default();
        *count += 1;
        let name = self.has_names.then(|| Name::new(&format!("{unit}-{word}-{count:02}")));
        Ok(Host {
            archetype: self.usable(archetype).filter(|_| self.has_archetypes),
            name: name.transpose()?,
        })
    }

    /// Returns an archetype of the catalogue whose services can run together.
    fn usable(&self, slug: &str) -> Option<&'c Archetype> {
        let archetype = self.catalog.archetype(slug)?;
        let services = archetype.services.iter();
        let runs = services
            .clone()
            .all(|name| self.catalog.decky_service(name.as_str()).is_some());
        let fits = runs && !archetype.services.is_empty() && self.catalog.clashes(services).is_empty();
        fits.then_some(archetype)
    }
}

/// Draws what each LAN is used for. The units of a purpose follow each other from a drawn one; after the last, they get numbers.
fn purposes(seed: u64, count: usize) -> Vec<(&'static Purpose, String)> {
    let mut used = PURPOSES.each_ref().map(|purpose| {
        let ordinal = purpose.units.len() as u64;
        RandomStream::new(seed, "maze.units", ordinal).index(purpose.units.len())
    });
    let starts = used;
    let lans = (0..count).map(|lan| {
        if lan == 0 {
            return (&OUTSIDE, OUTSIDE.units[0].to_owned());
        }
        let mut stream = RandomStream::new(seed, "lan.purpose", lan as u64);
        let at: Vec<usize> = (0..PURPOSES.len()).collect();
        let drawn = weighted(&mut stream, &at, |at| PURPOSES[*at].weight);
        let at = drawn.copied().unwrap_or_default();
        let purpose = &PURPOSES[at];
        let unit = purpose.units[used[at] % purpose.units.len()];
        let round = (used[at] - starts[at]) / purpose.units.len();
        used[at] += 1;
        let unit = if round == 0 {
            unit.to_owned()
        } else {
            format!("{unit}{}", round + 1)
        };
        (purpose, unit)
    });
    lans.collect()
}

/// Draws the place of the domain controller among the deckies outside the DMZ. A decky that joins two LANs, and one of a plant, is
/// drawn only if there are no others.
fn controller(
    seed: u64,
    lans: &[(&'static Purpose, String)],
    places: impl Iterator<Item = Place>,
) -> Option<(usize, usize)> {
    let mut ranked: BTreeMap<(bool, bool), Vec<(usize, usize)>> = BTreeMap::new();
    for place in places.filter(|place| place.lan > 0) {
        let is_plant = lans[place.lan].0.units == PLANT.units;
        let rank = (place.bridge.is_some(), is_plant);
        ranked.entry(rank).or_default().push((place.lan, place.number));
    }
    let (_, places) = ranked.pop_first()?;
    let mut stream = RandomStream::new(seed, "maze.controller", 0);
    Some(places[stream.index(places.len())])
}

/// Draws an item; an item of twice the weight is drawn twice as often.
fn weighted<'i, T>(stream: &mut RandomStream, items: &'i [T], weight: impl Fn(&T) -> u8) -> Option<&'i T> {
    let total = items.iter().map(|item| u64::from(weight(item))).sum();
    let mut drawn = if total == 0 { 0 } else { stream.below(total) };
    items.iter().find(|item| {
        let weight = u64::from(weight(item));
        let found = drawn < weight;
        drawn = drawn.saturating_sub(weight);
        found
    })
}
