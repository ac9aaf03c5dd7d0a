use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::{Holder, Lease, RepoError};
use crate::id::{LeaseToken, TopologyId};

/// Stores the leases of topologies: at most one process changes a topology on Docker at a time.
#[async_trait]
pub trait LeaseStore: Send + Sync {
    /// Takes the lease of a topology for a time.
    ///
    /// A lease that ran out is taken over; one that is held is refused ([`RepoError::LeaseHeld`]) unless its token is
    /// `superseding`: who found its holder dead takes over what it read, and nothing newer.
    async fn acquire_lease(
        &self,
        id: TopologyId,
        holder: &Holder,
        time: SignedDuration,
        superseding: Option<LeaseToken>,
        at: Timestamp,
    ) -> Result<Lease, RepoError>;

    /// Makes a lease last for a time from `at`, even one that ran out, if no one took it since. Refused if another took it or
    /// it was released ([`RepoError::LeaseLost`]).
    async fn renew_lease(
        &self,
        id: TopologyId,
        token: LeaseToken,
        time: SignedDuration,
        at: Timestamp,
    ) -> Result<Lease, RepoError>;

    /// Gives a lease back; idempotent, also where its topology is gone.
    async fn release_lease(&self, id: TopologyId, token: LeaseToken) -> Result<(), RepoError>;

    /// Keeps off others that cannot write to the store either, and so can take no lease: until what is returned is dropped, they
    /// are refused ([`RepoError::Locked`]). It needs no write. A store that can always be written to needs no such lock.
    async fn lock_unwritten(&self) -> Result<Box<dyn Send + Sync>, RepoError> {
        Ok(Box::new(()))
    }

    /// Returns who holds the lease of a topology, if anyone does at that time.
    async fn lease(&self, id: TopologyId, at: Timestamp) -> Result<Option<Lease>, RepoError>;
}
