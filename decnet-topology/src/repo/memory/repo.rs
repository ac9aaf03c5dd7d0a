use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use super::stock::Stock;
use crate::repo::{
    RepoError, Stamp,
    backend::{Backend, Tables},
};

/// A store that lives as long as the process: for tests, previews and embedders that keep their mazes elsewhere.
///
/// It needs no async runtime: its futures are ready immediately.
#[derive(Debug)]
pub struct MemoryRepo {
    stock: Mutex<Stock>,
    /// The number of writes, increased under the lock: a reader that sees the new number waits for the write.
    writes: AtomicU64,
}

impl Default for MemoryRepo {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryRepo {
    /// Creates an empty store with its own instance id.
    pub fn new() -> Self {
        Self {
            stock: Mutex::new(Stock::new()),
            writes: AtomicU64::new(0),
        }
    }

    /// Locks the store. A panic elsewhere leaves it intact: a transaction makes its writes after all its refusals.
    fn stock(&self) -> MutexGuard<'_, Stock> {
        self.stock.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Backend for MemoryRepo {
    async fn read<T: Send + 'static>(
        &self,
        work: impl Fn(&mut dyn Tables) -> Result<T, RepoError> + Send + 'static,
    ) -> Result<T, RepoError> {
        work(&mut *self.stock())
    }

    async fn write<I: Clone + Send + 'static, T: Send + 'static>(
        &self,
        input: I,
        work: impl Fn(&mut dyn Tables, I) -> Result<T, RepoError> + Send + 'static,
    ) -> Result<T, RepoError> {
        let mut stock = self.stock();
        self.writes.fetch_add(1, Ordering::Release);
        work(&mut *stock, input)
    }

    fn stamp(&self) -> Option<Stamp> {
        Some(Stamp::new(self.writes.load(Ordering::Acquire)))
    }

    async fn lock_unwritten(&self) -> Result<Box<dyn Send + Sync>, RepoError> {
        Ok(Box::new(()))
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{
        model::Topology,
        repo::{NewTopology, backend},
    };

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
            backend::create(&mut *repo.stock(), &mut draw, new, Timestamp::UNIX_EPOCH).expect("created")
        };
        assert_eq!(create("one").row.id.to_string(), ids[0]);
        assert_eq!(create("two").row.id.to_string(), ids[2]);
    }
}
