use async_trait::async_trait;

use super::{ChangeFilter, ChangePage, RepoError, Stamp};
use crate::id::Sequence;

/// The log of all changes of a store, for readers that follow it.
///
/// Each write of the other traits appends its changes in the same transaction: a change and its row in the log are stored together,
/// or neither is. A write that changes nothing, and a lease, a claim that is renewed or a visit, has no row. A store keeps at least
/// the last [`KEPT_CHANGES`](super::KEPT_CHANGES) changes, and also those of deleted topologies.
///
/// Rows become visible in the order of their numbers: once a reader has seen a number, no lower one appears. A store with parallel
/// transactions must therefore give out the numbers under a lock that it holds until the commit; a plain sequence of PostgreSQL is
/// not enough. Numbers may have gaps.
#[async_trait]
pub trait ChangeLog: Send + Sync {
    /// Returns the changes after a number that match, in order, and the number of the latest change; without a number, all that
    /// are kept.
    ///
    /// A page with fewer changes than the limit is the last one: the reader has everything up to
    /// [`ChangePage::latest`](super::ChangePage::latest). A topology that never existed has no changes.
    ///
    /// Refused: a number before the oldest change that is kept, or after the latest one, as from another store
    /// ([`RepoError::ChangesGone`]).
    async fn changes_since(&self, after: Option<Sequence>, filter: &ChangeFilter) -> Result<ChangePage, RepoError>;

    /// Returns the number of the latest change, or [`Sequence::START`] if there was none.
    async fn latest_change(&self) -> Result<Sequence, RepoError> {
        let nothing = ChangeFilter::default().limit(0);
        Ok(self.changes_since(None, &nothing).await?.latest)
    }

    /// Returns a [`Stamp`] that differs after every committed change by this process or another one, so that a cache need not read the
    /// store. It never waits: for another process, for the disk or for another thread.
    ///
    /// None by default, and whenever the stamp cannot be read without waiting. The caller then reads the store.
    fn stamp(&self) -> Option<Stamp> {
        None
    }

    /// Removes the oldest changes until at most `keep` are left. Their numbers are not used again.
    async fn trim_changes(&self, keep: usize) -> Result<(), RepoError>;
}
