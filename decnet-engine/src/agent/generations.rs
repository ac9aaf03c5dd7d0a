//! The highest generation of each topology, which guards against two masters.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io,
    path::{Path, PathBuf},
    str::FromStr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use axum::http::{HeaderMap, HeaderName};
use decnet_topology::{InstanceId, TopologyId};

use super::folder::of_file;
use crate::{
    fence::Fence,
    http::problem::Problem,
    peer::{GENERATION, STORE, TOPOLOGY},
    pki,
};

/// How many topologies are remembered. Then those with the lowest generations are forgotten.
const MOST: usize = 4096;

/// A topology of a store.
type Key = (InstanceId, TopologyId);

/// The highest generations that were seen.
#[derive(Debug)]
pub(super) struct Generations {
    highest: Mutex<BTreeMap<Key, u64>>,
    path: Option<PathBuf>,
}

impl Generations {
    /// Reads the highest generations from their file. A file that does not exist has none.
    pub(super) fn open(path: Option<PathBuf>) -> io::Result<Self> {
        let highest = path.as_deref().map_or_else(|| Ok(BTreeMap::new()), read)?;
        Ok(Self {
            highest: Mutex::new(highest),
            path,
        })
    }

    /// Returns the highest generation of all topologies; zero if there is none.
    pub(super) fn highest(&self) -> u64 {
        self.lock().values().copied().max().unwrap_or_default()
    }

    /// Refuses a master whose lease is older than one that was seen of its topology. A newer one is remembered.
    pub(super) fn admit(&self, fence: Fence) -> Result<(), Problem> {
        let Fence {
            store,
            topology,
            generation,
        } = fence;
        let mut known = self.lock();
        let highest = known.get(&(store, topology)).copied();
        if let Some(highest) = highest.filter(|highest| generation < *highest) {
            let detail = format!("generation {generation} is lower than {highest}, so another master has taken over");
            return Err(Problem::new("superseded", detail).member("highest", highest));
        }
        if highest == Some(generation) {
            return Ok(());
        }
        let mut next = known.clone();
        next.insert((store, topology), generation);
        while next.len() > MOST {
            // The new one is kept, whatever its generation: it is obeyed now.
            let others = next.iter().filter(|(key, _)| **key != (store, topology));
            let Some(lowest) = others.min_by_key(|(_, generation)| **generation).map(|(key, _)| *key) else {
                break;
            };
            next.remove(&lowest);
        }
        if let Some(path) = &self.path {
            let written = pki::write_file(path, &text(&next), 0o600);
            written.map_err(|error| Problem::new("generation_not_stored", error.to_string()))?;
        }
        *known = next;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, u64>> {
        self.highest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the headers of a request that changes something.
pub(super) fn fence_of(headers: &HeaderMap) -> Result<Fence, Problem> {
    fn value<T: FromStr>(headers: &HeaderMap, name: &HeaderName, what: &str) -> Result<T, Problem> {
        let given = headers.get(name).and_then(|value| value.to_str().ok());
        let missing = || Problem::new("generation_missing", format!("the header {name} must have {what}"));
        given.and_then(|text| text.parse().ok()).ok_or_else(missing)
    }
    Ok(Fence {
        store: value(headers, &STORE, "the id of a store")?,
        topology: value(headers, &TOPOLOGY, "the id of a topology")?,
        generation: value(headers, &GENERATION, "the number of a lease")?,
    })
}

/// Returns the content of the file: a line for each topology, with its store and its generation.
fn text(highest: &BTreeMap<Key, u64>) -> String {
    let mut text = String::new();
    for ((store, topology), generation) in highest {
        let _ = writeln!(text, "{store} {topology} {generation}");
    }
    text
}

fn read(path: &Path) -> io::Result<BTreeMap<Key, u64>> {
    let Some(text) = pki::read_file_if_any(path).map_err(|error| of_file(path, &error))? else {
        return Ok(BTreeMap::new());
    };
    // An earlier version kept one number for all masters, which leases do not continue.
    if text.trim().parse::<u64>().is_ok() {
        return Ok(BTreeMap::new());
    }
    let line = |line: &str| {
        let mut words = line.split(' ');
        let entry = (
            (words.next()?.parse().ok()?, words.next()?.parse().ok()?),
            words.next()?.parse().ok()?,
        );
        words.next().is_none().then_some(entry)
    };
    let entries: Option<BTreeMap<Key, u64>> = text.lines().map(line).collect();
    entries.ok_or_else(|| {
        let text = format!(
            "{} does not have a store, a topology and a generation in each line",
            path.display()
        );
        io::Error::new(io::ErrorKind::InvalidData, text)
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use decnet_topology::rng;

    use super::*;

    fn fence(store: InstanceId, topology: TopologyId, generation: u64) -> Fence {
        Fence {
            store,
            topology,
            generation,
        }
    }

    fn admit(generations: &Generations, fence: Fence) -> Result<(), String> {
        generations.admit(fence).map_err(|problem| problem.code.into_owned())
    }

    #[test]
    fn a_lower_generation_of_a_topology_is_refused_after_a_restart_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("generation");
        let (store, one, two) = (rng::instance_id(), rng::topology_id(), rng::topology_id());
        let generations = Generations::open(Some(path.clone())).expect("no file yet");
        for given in [3, 3, 5] {
            admit(&generations, fence(store, one, given)).expect("it is not lower");
        }
        assert_eq!(admit(&generations, fence(store, one, 4)), Err("superseded".into()));
        admit(&generations, fence(store, two, 4)).expect("another topology has another lease");
        admit(&generations, fence(rng::instance_id(), one, 1)).expect("another store has another counter");
        let again = Generations::open(Some(path.clone())).expect("the file");
        assert_eq!(again.highest(), 5);
        assert_eq!(admit(&again, fence(store, one, 4)), Err("superseded".into()));
        assert_eq!(admit(&again, fence(store, two, 3)), Err("superseded".into()));
        admit(&again, fence(store, two, 4)).expect("it is the same");
        for damaged in ["x", "1 2", &format!("{store} {one} 5 6"), &format!("{store} {one} -5")] {
            std::fs::write(&path, damaged).expect("written");
            Generations::open(Some(path.clone())).expect_err("a damaged file is not forgotten");
        }
    }

    #[test]
    fn the_single_number_of_an_earlier_version_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("generation");
        std::fs::write(&path, "17\n").expect("written");
        let generations = Generations::open(Some(path.clone())).expect("the old file");
        let first = fence(rng::instance_id(), rng::topology_id(), 1);
        admit(&generations, first).expect("a lease of a new store");
        let again = Generations::open(Some(path)).expect("the new file");
        assert_eq!(again.highest(), 1);
    }

    #[test]
    fn the_topologies_with_the_lowest_generations_are_forgotten() {
        let generations = Generations::open(None).expect("no file");
        let store = rng::instance_id();
        let topologies: Vec<TopologyId> = (0..=MOST).map(|_| rng::topology_id()).collect();
        for (generation, topology) in (10..).zip(&topologies) {
            admit(&generations, fence(store, *topology, generation)).expect("it is new");
        }
        assert_eq!(generations.lock().len(), MOST);
        let refused = admit(&generations, fence(store, topologies[1], 1));
        assert_eq!(refused, Err("superseded".into()));
        admit(&generations, fence(store, topologies[0], 1)).expect("the first is forgotten");
        assert_eq!(generations.lock().get(&(store, topologies[0])), Some(&1));
        assert_eq!(generations.lock().len(), MOST);
    }

    #[test]
    fn a_generation_that_cannot_be_stored_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let generations = Generations::open(Some(folder.path().join("nothing/generation"))).expect("no file yet");
        let first = fence(rng::instance_id(), rng::topology_id(), 1);
        assert_eq!(admit(&generations, first), Err("generation_not_stored".into()));
        assert_eq!(generations.highest(), 0);
    }

    #[test]
    fn each_header_is_needed() {
        let (store, topology) = (rng::instance_id(), rng::topology_id());
        let whole = [
            (STORE, store.to_string()),
            (TOPOLOGY, topology.to_string()),
            (GENERATION, "7".into()),
        ];
        let headers: HeaderMap = whole
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).expect("a value")))
            .collect();
        assert_eq!(fence_of(&headers).ok(), Some(fence(store, topology, 7)));
        for (name, _) in &whole {
            let mut headers = headers.clone();
            for bad in ["", "x", "-1"] {
                headers.insert(name, HeaderValue::from_static(bad));
                let problem = fence_of(&headers).expect_err("it is bad");
                assert_eq!(problem.code, "generation_missing", "{name}: {bad}");
            }
            headers.remove(name);
            assert!(fence_of(&headers).is_err(), "{name}");
        }
    }
}
