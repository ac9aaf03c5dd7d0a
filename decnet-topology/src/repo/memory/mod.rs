//! The home of the repo in memory.

mod queue;
mod repo;
mod stock;

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use self::{
    queue::Queue,
    stock::{Entry, Stock},
};
use crate::{
    id::{self, InstanceId, TopologyId},
    model::StoredTopology,
    repo::{NewTopology, RepoError, rules},
    rng,
};

/// A store that lives as long as the process: for tests, previews and embedders that keep their mazes elsewhere.
///
/// It needs no runtime: its futures are ready at once.
#[derive(Debug)]
pub struct MemoryRepo {
    instance: InstanceId,
    stock: Mutex<Stock>,
}

impl Default for MemoryRepo {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryRepo {
    const SCHEMA: u32 = 3;

    /// Makes an empty store with an instance id of its own.
    pub fn new() -> Self {
        Self {
            instance: rng::instance_id(),
            stock: Mutex::default(),
        }
    }

    /// Locks the store. A panic elsewhere leaves it whole: every method changes it in one step, after all refusals.
    fn stock(&self) -> MutexGuard<'_, Stock> {
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn create_drawing(
        &self,
        draw: &mut dyn FnMut() -> TopologyId,
        new: NewTopology,
        at: Timestamp,
    ) -> Result<StoredTopology, RepoError> {
        let mut stock = self.stock();
        let namesake = stock.alive().find(|entry| entry.stored.row.name == new.name);
        if let Some(Entry { stored, .. }) = namesake {
            return Err(RepoError::NameTaken {
                name: stored.row.name.clone(),
                id: stored.row.id,
            });
        }
        stock.refuse_claimed(None, &new.topology)?;
        let taken = |drawn| {
            let mut known = stock.entries().map(|entry| entry.stored.row.id);
            known.any(|known| id::short(known) == id::short(drawn))
        };
        let id = rules::fresh_id(new.id, draw, |drawn| Ok::<_, RepoError>(taken(drawn)))?;
        let stored = StoredTopology {
            row: rules::first_row(id, &new, at),
            topology: new.topology,
        };
        stock.insert(Entry {
            stored: stored.clone(),
            events: vec![rules::first_event(at)],
            lease: None,
            queue: Queue::default(),
        });
        Ok(stored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Topology;

    #[test]
    fn an_id_that_shares_its_first_eight_hex_digits_with_another_is_drawn_again() {
        let repo = MemoryRepo::new();
        let ids = [
            "01234567-0000-4000-8000-000000000001",
            "01234567-0000-4000-8000-000000000002",
            "89abcdef-0000-4000-8000-000000000003",
        ];
        let mut draws = ids.iter().map(|text| text.parse().expect("id"));
        let mut draw = || draws.next().expect("three draws");
        let mut create = |name: &str| {
            let new = NewTopology::new(name.parse().expect("name"), Topology::default());
            repo.create_drawing(&mut draw, new, Timestamp::UNIX_EPOCH)
                .expect("created")
        };
        assert_eq!(create("one").row.id.to_string(), ids[0]);
        assert_eq!(create("two").row.id.to_string(), ids[2]);
    }
}
