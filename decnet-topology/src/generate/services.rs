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
/// Up to so many services, sets are counted to see when they run out.
const COUNTED: usize = 100;

/// What deckies run: the config's services, or sets drawn from the catalogue.
#[derive(Debug)]
pub(super) enum ServiceSets {
    Explicit(Vec<ServiceName>),
    Drawn(Box<Draws>),
}

/// Places in the list of services, ascending; what is not there is at the end, as `NONE`.
type Set = [u16; MOST as usize];

const NONE: u16 = u16::MAX;

#[derive(Debug)]
pub(super) struct Draws {
    seed: u64,
    names: Vec<ServiceName>,
    /// For each service, which others it may stand beside.
    compatible: Vec<Vec<bool>>,
    used: BTreeSet<Set>,
    /// How many sets there are, where they are few enough to run out.
    possible: Option<usize>,
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
        let compatible: Vec<Vec<bool>> = candidates.iter().map(|service| beside(service)).collect();
        Ok(Self::Drawn(Box::new(Draws {
            seed: config.seed(),
            names: candidates.iter().map(|service| service.name.clone()).collect(),
            possible: (compatible.len() <= COUNTED).then(|| count_sets(&compatible)),
            compatible,
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
        // Where no set is left, trying on would be in vain.
        let left = self.possible.is_none_or(|possible| self.used.len() < possible);
        for _ in 1..TRIES {
            if !left || !self.used.contains(&set) {
                break;
            }
            set = self.draw(&mut stream);
        }
        self.used.insert(set);
        let places = set.iter().filter(|&&place| place != NONE);
        places.map(|&place| self.names[usize::from(place)].clone()).collect()
    }

    /// Draws how many services there are, then one after the other from those that go with the ones before.
    fn draw(&self, stream: &mut Stream) -> Set {
        let wanted = usize::from(stream.between(1, MOST));
        let mut open: Vec<u16> = (0..NONE).take(self.names.len()).collect();
        let mut set = [NONE; MOST as usize];
        for place in set.iter_mut().take(wanted) {
            if open.is_empty() {
                break;
            }
            *place = open[stream.index(open.len())];
            let beside = &self.compatible[usize::from(*place)];
            open.retain(|&other| beside[usize::from(other)]);
        }
        set.sort_unstable();
        set
    }
}

/// Counts the sets of one, two and three services that may stand beside each other.
fn count_sets(compatible: &[Vec<bool>]) -> usize {
    let count = compatible.len();
    let pairs = (0..count).flat_map(|one| (0..one).map(move |other| (one, other)));
    let pairs = pairs.filter(|&(one, other)| compatible[one][other]);
    let sets = pairs.map(|(one, other)| {
        1 + (0..other)
            .filter(|&third| compatible[one][third] && compatible[other][third])
            .count()
    });
    count + sets.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_of_the_catalogue_is_used_before_one_comes_twice_for_long() {
        let config = TopologyConfig::builder("sets", 1, 1).seed(1).build().expect("config");
        let ServiceSets::Drawn(mut draws) = ServiceSets::new(&config, &Catalog::builtin()).expect("services") else {
            panic!("nothing is explicit");
        };
        let mut deckies = 0;
        while Some(draws.used.len()) < draws.possible {
            draws.next(deckies, 0);
            deckies += 1;
        }
        assert!(
            deckies < 2 * draws.used.len(),
            "{deckies} draws for {} sets",
            draws.used.len()
        );
        assert!(!draws.next(deckies, 0).is_empty());
    }
}
