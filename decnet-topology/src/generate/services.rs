use std::collections::BTreeSet;

use crate::{
    catalog::{Catalog, Service},
    config::TopologyConfig,
    generate::GenerateError,
    name::ServiceName,
    rng::Stream,
};

/// How many draws are made for a set that no decky runs yet.
const TRIES: u32 = 20;
/// How many services a drawn set has at most.
const MOST: u8 = 3;

/// What deckies run: the config's services, or sets drawn from the catalogue.
#[derive(Debug)]
pub(super) enum ServiceSets {
    Explicit(Vec<ServiceName>),
    Drawn(Box<Draws>),
}

#[derive(Debug)]
pub(super) struct Draws {
    seed: u64,
    names: Vec<ServiceName>,
    /// For each service, which others it may stand beside.
    compatible: Vec<Vec<bool>>,
    used: BTreeSet<Vec<usize>>,
}

impl ServiceSets {
    pub(super) fn new(config: &TopologyConfig, catalog: &Catalog) -> Result<Self, GenerateError> {
        if let Some(services) = config.services_explicit() {
            return Ok(Self::Explicit(services.to_vec()));
        }
        let candidates: Vec<&Service> = catalog.services().filter(|service| !service.singleton).collect();
        if candidates.is_empty() {
            return Err(GenerateError::NoServices);
        }
        let beside = |one: &Service| {
            let others = candidates.iter();
            others
                .map(|other| one.name != other.name && one.ports.is_disjoint(&other.ports))
                .collect()
        };
        Ok(Self::Drawn(Box::new(Draws {
            seed: config.seed(),
            names: candidates.iter().map(|service| service.name.clone()).collect(),
            compatible: candidates.iter().map(|service| beside(service)).collect(),
            used: BTreeSet::new(),
        })))
    }

    /// Returns what a decky runs, which is known by the number of its LAN and its own number there.
    pub(super) fn next(&mut self, lan: usize, number: usize) -> Vec<ServiceName> {
        match self {
            Self::Explicit(services) => services.clone(),
            Self::Drawn(draws) => draws.next(lan, number),
        }
    }
}

impl Draws {
    fn next(&mut self, lan: usize, number: usize) -> Vec<ServiceName> {
        let mut stream = Stream::new(self.seed, "decky.services", (lan as u64) << 8 | number as u64);
        let mut set = self.draw(&mut stream);
        for _ in 1..TRIES {
            if !self.used.contains(&set) {
                break;
            }
            set = self.draw(&mut stream);
        }
        let names = set.iter().map(|&at| self.names[at].clone()).collect();
        self.used.insert(set);
        names
    }

    /// Draws how many services there are, then one after the other from those that go with the ones before.
    fn draw(&self, stream: &mut Stream) -> Vec<usize> {
        let wanted = stream.between(1, MOST);
        let mut open: Vec<usize> = (0..self.names.len()).collect();
        let mut set = Vec::with_capacity(wanted.into());
        for _ in 0..wanted {
            if open.is_empty() {
                break;
            }
            let drawn = open[stream.index(open.len())];
            set.push(drawn);
            open.retain(|&other| self.compatible[drawn][other]);
        }
        set.sort_unstable();
        set
    }
}
