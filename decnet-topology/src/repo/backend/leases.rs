//! Leases of topologies.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::Backend;
use crate::{
    id::{LeaseToken, TopologyId},
    repo::{
        Holder, Lease, LeaseStore, RepoError,
        rules::{self, lease},
    },
};

#[async_trait]
impl<B: Backend> LeaseStore for B {
    async fn acquire_lease(
        &self,
        id: TopologyId,
        holder: &Holder,
        time: SignedDuration,
        superseding: Option<LeaseToken>,
        at: Timestamp,
    ) -> Result<Lease, RepoError> {
        let holder = holder.clone();
        self.write(holder, move |tables, holder| {
            let stored = tables.lease(id)?;
            let now = tables.now(at)?;
            let mut lease = match lease::acquire(stored, &holder, time, superseding, now) {
                Ok(lease) => lease,
                Err(lease) => {
                    let name = tables.topology(id)?.name;
                    return Err(RepoError::LeaseHeld { name, lease });
                }
            };
            lease.generation = tables.next_generation(0)?;
            tables.set_lease(id, &lease)?;
            Ok(lease)
        })
        .await
    }

    async fn renew_lease(
        &self,
        id: TopologyId,
        token: LeaseToken,
        time: SignedDuration,
        at: Timestamp,
    ) -> Result<Lease, RepoError> {
        self.write((), move |tables, ()| {
            let stored = tables.lease(id)?;
            let now = tables.now(at)?;
            let Some(lease) = lease::renew(stored, token, time, now) else {
                return Err(rules::lease_lost(&tables.topology(id)?));
            };
            tables.set_lease(id, &lease)?;
            Ok(lease)
        })
        .await
    }

    async fn release_lease(&self, id: TopologyId, token: LeaseToken) -> Result<(), RepoError> {
        self.write((), move |tables, ()| {
            let stored = match tables.lease(id) {
                Err(RepoError::NotFound { .. }) => None,
                stored => stored?,
            };
            if lease::is_proven(stored.as_ref(), token) {
                tables.delete_lease(id)?;
            }
            Ok(())
        })
        .await
    }

    async fn lock_unwritten(&self) -> Result<Box<dyn Send + Sync>, RepoError> {
        Backend::lock_unwritten(self).await
    }

    async fn next_generation(&self, above: u64) -> Result<u64, RepoError> {
        self.write((), move |tables, ()| tables.next_generation(above)).await
    }

    async fn lease(&self, id: TopologyId, at: Timestamp) -> Result<Option<Lease>, RepoError> {
        self.read(move |tables| {
            let now = tables.now(at)?;
            Ok(lease::held(tables.lease(id)?, now))
        })
        .await
    }

    async fn now(&self, at: Timestamp) -> Result<Timestamp, RepoError> {
        self.read(move |tables| tables.now(at)).await
    }
}
