//! The log of changes.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Backend, Tables};
use crate::{
    id::Sequence,
    model::TopologyRow,
    repo::{ChangeFilter, ChangeKind, ChangeLog, ChangePage, MutationRow, RepoError, Stamp, rules::changes},
};

#[async_trait]
impl<B: Backend> ChangeLog for B {
    async fn changes_since(&self, after: Option<Sequence>, filter: &ChangeFilter) -> Result<ChangePage, RepoError> {
        let filter = filter.clone();
        self.read(move |tables| {
            let bounds = tables.log_bounds()?;
            let after = after.unwrap_or(bounds.forgotten);
            bounds.require_kept(after)?;
            Ok(ChangePage {
                changes: tables.log(after, &filter)?,
                latest: bounds.latest,
            })
        })
        .await
    }

    fn stamp(&self) -> Option<Stamp> {
        Backend::stamp(self)
    }

    async fn trim_changes(&self, keep: usize) -> Result<(), RepoError> {
        self.write((), move |tables, ()| {
            let surplus = tables.log_bounds()?.surplus(keep);
            tables.trim_log(surplus)
        })
        .await
    }
}

/// Appends a change of a topology, given as it is after the change. The oldest changes are removed from time to time.
pub(super) fn record(
    tables: &mut dyn Tables,
    row: &TopologyRow,
    what: ChangeKind,
    at: Timestamp,
) -> Result<(), RepoError> {
    let latest = tables.append_to_log(&changes::change(row, what, at))?;
    match changes::surplus_after(latest) {
        Some(surplus) => tables.trim_log(surplus),
        None => Ok(()),
    }
}

/// Appends the new state of a mutation.
pub(super) fn record_mutation(
    tables: &mut dyn Tables,
    row: &TopologyRow,
    mutation: &MutationRow,
    at: Timestamp,
) -> Result<(), RepoError> {
    record(tables, row, mutation.into(), at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::{KEPT_CHANGES, MemoryRepo, NewTopology, TopologyStore as _};

    /// Checks that a store removes the oldest changes by itself, a thousand at a time.
    async fn check(repo: impl Backend) {
        let row = NewTopology::new("corp".parse().expect("a name"), crate::Topology::default());
        let row = repo.create(row, Timestamp::UNIX_EPOCH).await.expect("stored").row;
        let fill = row.clone();
        let filled = repo.write(fill, move |tables, fill| {
            for _ in 0..KEPT_CHANGES + 998 {
                let change = changes::change(&fill, ChangeKind::Edited, Timestamp::UNIX_EPOCH);
                tables.append_to_log(&change)?;
            }
            Ok(())
        });
        filled.await.expect("filled");
        let oldest = async || {
            let one = ChangeFilter::default().limit(1);
            let page = repo.changes_since(None, &one).await.expect("the log");
            (page.changes[0].sequence.get(), page.latest.get())
        };
        let kept = KEPT_CHANGES as u64;
        assert_eq!(oldest().await, (1, kept + 999));
        for (number, expected) in [(1000, 1001), (1001, 1001)] {
            let flipped = repo.set_needs_resync(row.id, number == 1000, None, Timestamp::UNIX_EPOCH);
            flipped.await.expect("stored");
            assert_eq!(oldest().await, (expected, kept + number));
        }
    }

    #[tokio::test]
    async fn the_oldest_changes_are_removed_in_memory() {
        check(MemoryRepo::new()).await;
    }

    #[cfg(feature = "sqlite")]
    #[tokio::test]
    async fn the_oldest_changes_are_removed_in_sqlite() {
        check(crate::SqliteRepo::open_in_memory().expect("a store")).await;
    }
}
