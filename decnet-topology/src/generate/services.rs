use std::{cell::OnceCell, collections::HashSet, iter};

use foldhash::fast::FixedState;

use crate::{
    catalog::{Catalog, Service},
    config::TopologyConfig,
    generate::GenerateError,
    name::ServiceName,
    rng::RandomStream,
};

/// How many times a set is drawn to find one that no decky runs yet.
const TRIES: u32 = 20;
/// The largest number of services in a drawn set.
const MOST: u8 = 3;
/// With at most this many services, the sets are counted to detect when they are used up.
const COUNTED: usize = 100;

/// The services of deckies: those of the config, or sets drawn from the catalogue.
#[derive(Debug)]
pub(super) enum ServiceSets {
    Explicit(Vec<ServiceName>),
    Drawn(Box<Draws>),
}

/// Positions in the list of services, ascending; unused entries are `NONE`.
type Set = [u16; MOST as usize];

const NONE: u16 = u16::MAX;

#[derive(Debug)]
pub(super) struct Draws {
    seed: u64,
    names: Vec<ServiceName>,
    /// For each service, the others that can run together with it.
    compatible: Vec<Places>,
    /// The services that can still be added to the current set.
    open: Places,
    used: HashSet<u64, FixedState>,
    /// How many sets there are, if they are few enough to be used up. Small mazes do not need it.
    possible: OnceCell<Option<usize>>,
}

impl ServiceSets {
    pub(super) fn new(config: &TopologyConfig, catalog: &Catalog) -> Result<Self, GenerateError> {
        if let Some(services) = config.services_explicit() {
            return Ok(Self::Explicit(services.to_vec()));
        }
        let candidates = catalog.services().filter(|service| !service.singleton);
        let candidates: Vec<&Service> = candidates.take(usize::from(NONE)).collect();
        if candidates.is_empty() {
            return Err(GenerateError::NoServices);
        }
        let compatible = compatible(&candidates);
        Ok(Self::Drawn(Box::new(Draws {
            seed: config.seed(),
            names: candidates.iter().map(|service| service.name.clone()).collect(),
            compatible,
            possible: OnceCell::new(),
            open: Places::default(),
            used: HashSet::default(),
        })))
    }

    /// Returns the services of a decky, given the number of its LAN and its own number there.
    pub(super) fn next(&mut self, lan: usize, number: usize) -> Vec<ServiceName> {
        match self {
            Self::Explicit(services) => services.clone(),
            Self::Drawn(draws) => draws.next(lan, number),
        }
    }
}

impl Draws {
    fn next(&mut self, lan: usize, number: usize) -> Vec<ServiceName> {
        let mut stream = RandomStream::new(self.seed, "decky.services", (lan as u64) << 8 | number as u64);
        let mut set = self.draw(&mut stream);
        // If no set is left, more draws are useless.
        let left = self.has_sets_left();
        let mut tries = 1;
        while left && !self.used.insert(packed(set)) && tries < TRIES {
            set = self.draw(&mut stream);
            tries += 1;
        }
        let places = set.iter().filter(|&&place| place != NONE);
        places.map(|&place| self.names[usize::from(place)].clone()).collect()
    }

    /// Returns whether there is a set that no decky runs. Every single service is a set, so there are at least as many sets as
    /// services.
    fn has_sets_left(&self) -> bool {
        let possible = || (self.compatible.len() <= COUNTED).then(|| count_sets(&self.compatible));
        let used = self.used.len();
        used < self.names.len()
            || self
                .possible
                .get_or_init(possible)
                .is_none_or(|possible| used < possible)
    }

    /// Draws the number of services, then each service from those that fit the earlier ones.
    fn draw(&mut self, stream: &mut RandomStream) -> Set {
        let wanted = usize::from(stream.between(1, MOST));
        let first = stream.index(self.names.len());
        self.open.clone_from(&self.compatible[first]);
        let mut set = [NONE; MOST as usize];
        set[0] = u16::try_from(first).unwrap_or(NONE);
        for place in &mut set[1..wanted] {
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

/// Returns, for each service, the others that use none of its ports.
fn compatible(services: &[&Service]) -> Vec<Places> {
    let mut compatible = vec![Places::of(services.iter().map(|_| true)); services.len()];
    for (place, others) in compatible.iter_mut().enumerate() {
        others.drop_place(place);
    }
    let wanted = services.iter().enumerate();
    let mut wanted: Vec<_> = wanted
        .flat_map(|(place, service)| service.occupied().map(move |port| (port, place)))
        .collect();
    wanted.sort_unstable();
    for rivals in wanted.chunk_by(|(one, _), (other, _)| one == other) {
        for &(_, one) in rivals {
            for &(_, other) in rivals {
                compatible[one].drop_place(other);
            }
        }
    }
    compatible
}

fn packed(set: Set) -> u64 {
    set.iter().fold(0, |packed, &place| packed << 16 | u64::from(place))
}

/// A set of services: one bit for each position.
#[derive(Debug, Clone, Default)]
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

    fn drop_place(&mut self, place: usize) {
        self.0[place / 64] &= !(1 << (place % 64));
    }

    fn iter(&self) -> impl Iterator<Item = usize> {
        let words = (0..).step_by(64).zip(&self.0);
        words.flat_map(|(first, &word)| {
            let some = |rest: u64| Some(rest).filter(|rest| *rest != 0);
            let rests = iter::successors(some(word), move |rest| some(rest & (rest - 1)));
            rests.map(move |rest| first + rest.trailing_zeros() as usize)
        })
    }

    /// Counts the services that are in both sets.
    fn common(&self, other: &Self) -> usize {
        let both = self.0.iter().zip(&other.0);
        both.map(|(word, other)| (word & other).count_ones() as usize).sum()
    }

    /// Returns the position at an index, from 0.
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

    /// Keeps only the services that are also in the other set.
    fn keep(&mut self, other: &Self) {
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            *word &= other;
        }
    }
}

/// Counts the sets of one, two and three services that can run together.
fn count_sets(compatible: &[Places]) -> usize {
    let pairs: usize = compatible.iter().map(Places::len).sum();
    let thirds = compatible
        .iter()
        .flat_map(|one| one.iter().map(|other| one.common(&compatible[other])));
    // Each pair was counted from both of its services, each triple in six orders.
    compatible.len() + pairs / 2 + thirds.sum::<usize>() / 6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_beyond_one_word_are_counted_found_and_dropped() {
        let mut thirds = Places::of((0..200).map(|at| at % 3 == 0));
        assert_eq!(
            (thirds.len(), thirds.nth(0), thirds.nth(66), thirds.nth(67)),
            (67, Some(0), Some(198), None)
        );
        thirds.keep(&Places::of((0..200).map(|at| at % 2 == 0)));
        assert_eq!(thirds.common(&Places::of((0..100).map(|_| true))), 17);
        let found: Vec<u16> = (0..thirds.len()).filter_map(|others| thirds.nth(others)).collect();
        assert!(found.iter().copied().eq((0..200).step_by(6)));
        thirds.drop_place(198);
        assert!(thirds.iter().eq((0..198).step_by(6)));
    }

    #[test]
    fn every_set_of_the_catalogue_is_used_before_one_repeats() {
        let config = TopologyConfig::builder("sets", 1, 1).seed(1).build().expect("config");
        let ServiceSets::Drawn(mut draws) = ServiceSets::new(&config, &Catalog::builtin()).expect("services") else {
            panic!("nothing is explicit");
        };
        let mut deckies = 0;
        while draws.has_sets_left() {
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
