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
    compatible: Vec<Places>,
    all: Places,
    /// Those that may still be drawn for the set at hand.
    open: Places,
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
            Places::of(others.map(|other| one.name != other.name && one.ports.is_disjoint(&other.ports)))
        };
        let all = Places::of(candidates.iter().take(usize::from(NONE)).map(|_| true));
        let compatible: Vec<Places> = candidates.iter().map(|service| beside(service)).collect();
        Ok(Self::Drawn(Box::new(Draws {
            seed: config.seed(),
            names: candidates.iter().map(|service| service.name.clone()).collect(),
            possible: (compatible.len() <= COUNTED).then(|| count_sets(&compatible)),
            compatible,
            open: all.clone(),
            all,
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
        if left {
            self.used.insert(set);
        }
        let places = set.iter().filter(|&&place| place != NONE);
        places.map(|&place| self.names[usize::from(place)].clone()).collect()
    }

    /// Draws how many services there are, then one after the other from those that go with the ones before.
    fn draw(&mut self, stream: &mut Stream) -> Set {
        let wanted = usize::from(stream.between(1, MOST));
        self.open.clone_from(&self.all);
        let mut set = [NONE; MOST as usize];
        for place in set.iter_mut().take(wanted) {
            let Some(drawn) = self.open.nth(stream.index(self.open.len())) else {
                break;
            };
            *place = drawn;
            self.open.keep(&self.compatible[usize::from(drawn)]);
        }
        set.sort_unstable();
        set
    }
}

/// Some of the services: a bit for the place of each.
#[derive(Debug, Clone)]
struct Places(Vec<u64>);

impl Places {
    fn of(there: impl Iterator<Item = bool>) -> Self {
        let mut words = Vec::new();
        for (at, is_there) in there.enumerate() {
            if at % 64 == 0 {
                words.push(0);
            }
            words[at / 64] |= u64::from(is_there) << (at % 64);
        }
        Self(words)
    }

    fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    fn has(&self, place: usize) -> bool {
        self.0.get(place / 64).is_some_and(|word| word >> (place % 64) & 1 == 1)
    }

    /// Returns the place that so many others stand before; none if there are no more than these.
    fn nth(&self, mut others: usize) -> Option<u16> {
        for (first, &word) in (0..).step_by(64).zip(&self.0) {
            let here = word.count_ones() as usize;
            if others < here {
                let rest = (0..others).fold(word, |rest, _| rest & (rest - 1));
                return u16::try_from(first + rest.trailing_zeros()).ok();
            }
            others -= here;
        }
        None
    }

    /// Drops what does not stand in the other.
    fn keep(&mut self, other: &Self) {
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word &= other;
        }
    }
}

/// Counts the sets of one, two and three services that may stand beside each other.
fn count_sets(compatible: &[Places]) -> usize {
    let count = compatible.len();
    let pairs = (0..count).flat_map(|one| (0..one).map(move |other| (one, other)));
    let pairs = pairs.filter(|&(one, other)| compatible[one].has(other));
    let sets = pairs.map(|(one, other)| {
        1 + (0..other)
            .filter(|&third| compatible[one].has(third) && compatible[other].has(third))
            .count()
    });
    count + sets.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_found_and_dropped_beyond_one_word() {
        let mut thirds = Places::of((0..200).map(|at| at % 3 == 0));
        assert_eq!(
            (thirds.len(), thirds.nth(0), thirds.nth(66), thirds.nth(67)),
            (67, Some(0), Some(198), None)
        );
        thirds.keep(&Places::of((0..200).map(|at| at % 2 == 0)));
        let found: Vec<u16> = (0..thirds.len()).filter_map(|others| thirds.nth(others)).collect();
        assert!(found.iter().copied().eq((0..200).step_by(6)));
        assert!(thirds.has(198) && !thirds.has(195) && !thirds.has(1_000));
    }

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
