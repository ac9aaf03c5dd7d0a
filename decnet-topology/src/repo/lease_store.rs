use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::{Holder, Lease, RepoError};
use crate::id::{LeaseToken, TopologyId};

/// Stores the leases of topologies: at most one process changes a topology on Docker at a time.
#[async_trait]
pub trait LeaseStore: Send + Sync {
    /// Acquires the lease of a topology for a time.
    ///
    /// An expired lease is taken over. A held lease is refused ([`RepoError::LeaseHeld`]) unless its token is `superseding`: a
    /// caller that found the holder dead takes over that lease, but not a newer one.
    ///
    /// Each lease that is acquired has a higher [`Lease::generation`] than all before, whatever its topology.
    async fn acquire_lease(
        &self,
        id: TopologyId,
        holder: &Holder,
        time: SignedDuration,
        superseding: Option<LeaseToken>,
        at: Timestamp,
    ) -> Result<Lease, RepoError>;

    /// Renews a lease for a time from `at`, even an expired one if nobody took it since. Refused if another process took it or it
    /// was released ([`RepoError::LeaseLost`]).
    async fn renew_lease(
        &self,
        id: TopologyId,
        token: LeaseToken,
        time: SignedDuration,
        at: Timestamp,
    ) -> Result<Lease, RepoError>;

    /// Releases a lease; idempotent, even if its topology was deleted.
    async fn release_lease(&self, id: TopologyId, token: LeaseToken) -> Result<(), RepoError>;

    /// Blocks other processes that cannot write to the store either, and so cannot acquire a lease: they are refused
    /// ([`RepoError::Locked`]) until the returned value is dropped. It needs no write. A store that is always writable needs no
    /// such lock.
    async fn lock_unwritten(&self) -> Result<Box<dyn Send + Sync>, RepoError> {
        Ok(Box::new(()))
    }

    /// Draws a generation that is higher than those of all leases that were acquired before, and higher than `above`.
    ///
    /// An agent may have seen a higher one than the store knows, because the store was restored from an older copy. The next lease then
    /// needs one above that.
    async fn next_generation(&self, above: u64) -> Result<u64, RepoError>;

    /// Returns the holder of the lease of a topology at that time, if there is one.
    async fn lease(&self, id: TopologyId, at: Timestamp) -> Result<Option<Lease>, RepoError>;

    /// Returns the time by which this store measures leases and claims: that of its server if it has one, otherwise `at`.
    ///
    /// Processes of several hosts share a store with a server, and their clocks differ. Such a store ignores the `at` of the
    /// methods for leases and claims, and [`Lease::until`] is a time of the server's clock.
    async fn now(&self, at: Timestamp) -> Result<Timestamp, RepoError> {
        Ok(at)
    }
}
