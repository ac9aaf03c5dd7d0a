//! A store that fails at one call.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use decnet_topology::{
    ClaimToken, DeploySettings, InstanceId, LeaseToken, MutationId, Repo, RepoError, StoredTopology, Topology,
    TopologyId, TopologyRow, Version,
    repo::{
        Claim, Edit, Holder, Lease, ListFilter, MemoryRepo, MutationClaim, MutationFilter, MutationPage, MutationRow,
        NewMutation, NewTopology, Outcome, Page, RecordedChange, StatusChange,
    },
    status::StatusEvent,
};
use jiff::{SignedDuration, Timestamp};

/// When a call fails.
#[derive(Debug, Clone, Copy)]
pub(super) enum Strike {
    /// Before it did anything.
    Before,
    /// When all was done, but nobody was told.
    After,
}

/// A store of which one call fails.
#[derive(Debug)]
pub(super) struct Shaky {
    inner: Arc<MemoryRepo>,
    order: Mutex<Option<(usize, Strike)>>,
    struck: AtomicBool,
}

impl Shaky {
    pub(super) fn new(inner: Arc<MemoryRepo>) -> Self {
        Self {
            inner,
            order: Mutex::new(None),
            struck: AtomicBool::new(false),
        }
    }

    /// Fails one call, counted from now.
    pub(super) fn strike(&self, nth: usize, strike: Strike) {
        *self.order.lock().expect("no panic") = Some((nth, strike));
    }

    pub(super) fn has_struck(&self) -> bool {
        self.struck.load(Ordering::Relaxed)
    }

    fn due(&self) -> Option<Strike> {
        let mut order = self.order.lock().expect("no panic");
        let (left, strike) = order.take()?;
        if left > 1 {
            *order = Some((left - 1, strike));
            return None;
        }
        self.struck.store(true, Ordering::Relaxed);
        Some(strike)
    }

    async fn ask<T>(&self, call: impl Future<Output = Result<T, RepoError>>) -> Result<T, RepoError> {
        let due = self.due();
        if matches!(due, Some(Strike::Before)) {
            return Err(RepoError::Full);
        }
        let answer = call.await?;
        if due.is_some() {
            Err(RepoError::Full)
        } else {
            Ok(answer)
        }
    }
}

#[async_trait]
impl Repo for Shaky {
    async fn instance(&self) -> Result<InstanceId, RepoError> {
        self.ask(self.inner.instance()).await
    }

    async fn schema_version(&self) -> Result<u32, RepoError> {
        self.ask(self.inner.schema_version()).await
    }

    async fn create(&self, new: NewTopology, at: Timestamp) -> Result<StoredTopology, RepoError> {
        self.ask(self.inner.create(new, at)).await
    }

    async fn get(&self, id: TopologyId) -> Result<TopologyRow, RepoError> {
        self.ask(self.inner.get(id)).await
    }

    async fn list(&self, filter: &ListFilter) -> Result<Page, RepoError> {
        self.ask(self.inner.list(filter)).await
    }

    async fn load(&self, id: TopologyId) -> Result<StoredTopology, RepoError> {
        self.ask(self.inner.load(id)).await
    }

    async fn edit(&self, id: TopologyId, edit: Edit, at: Timestamp) -> Result<StoredTopology, RepoError> {
        self.ask(self.inner.edit(id, edit, at)).await
    }

    async fn set_status(&self, id: TopologyId, change: StatusChange, at: Timestamp) -> Result<TopologyRow, RepoError> {
        self.ask(self.inner.set_status(id, change, at)).await
    }

    async fn status_events(&self, id: TopologyId) -> Result<Vec<StatusEvent>, RepoError> {
        self.ask(self.inner.status_events(id)).await
    }

    async fn set_settings(
        &self,
        id: TopologyId,
        settings: DeploySettings,
        at: Timestamp,
    ) -> Result<TopologyRow, RepoError> {
        self.ask(self.inner.set_settings(id, settings, at)).await
    }

    async fn set_needs_resync(&self, id: TopologyId, needs_resync: bool, at: Timestamp) -> Result<(), RepoError> {
        self.ask(self.inner.set_needs_resync(id, needs_resync, at)).await
    }

    async fn claims(&self, except: Option<TopologyId>) -> Result<Vec<Claim>, RepoError> {
        self.ask(self.inner.claims(except)).await
    }

    async fn acquire_lease(
        &self,
        id: TopologyId,
        holder: &Holder,
        time: SignedDuration,
        superseding: Option<LeaseToken>,
        at: Timestamp,
    ) -> Result<Lease, RepoError> {
        self.ask(self.inner.acquire_lease(id, holder, time, superseding, at))
            .await
    }

    async fn renew_lease(
        &self,
        id: TopologyId,
        token: LeaseToken,
        time: SignedDuration,
        at: Timestamp,
    ) -> Result<Lease, RepoError> {
        self.ask(self.inner.renew_lease(id, token, time, at)).await
    }

    async fn release_lease(&self, id: TopologyId, token: LeaseToken) -> Result<(), RepoError> {
        self.ask(self.inner.release_lease(id, token)).await
    }

    async fn lease(&self, id: TopologyId, at: Timestamp) -> Result<Option<Lease>, RepoError> {
        self.ask(self.inner.lease(id, at)).await
    }

    async fn enqueue(
        &self,
        id: TopologyId,
        new: NewMutation,
        expected: Option<Version>,
        at: Timestamp,
    ) -> Result<MutationRow, RepoError> {
        self.ask(self.inner.enqueue(id, new, expected, at)).await
    }

    async fn claim_mutation(
        &self,
        topology: Option<TopologyId>,
        holder: &Holder,
        time: SignedDuration,
        superseding: Option<ClaimToken>,
        at: Timestamp,
    ) -> Result<Option<MutationRow>, RepoError> {
        self.ask(self.inner.claim_mutation(topology, holder, time, superseding, at))
            .await
    }

    async fn renew_claim(
        &self,
        id: MutationId,
        token: ClaimToken,
        time: SignedDuration,
        at: Timestamp,
    ) -> Result<MutationClaim, RepoError> {
        self.ask(self.inner.renew_claim(id, token, time, at)).await
    }

    async fn give_back(&self, id: MutationId, token: ClaimToken, at: Timestamp) -> Result<(), RepoError> {
        self.ask(self.inner.give_back(id, token, at)).await
    }

    async fn store_mutation(
        &self,
        id: MutationId,
        token: ClaimToken,
        topology: Topology,
        at: Timestamp,
    ) -> Result<StoredTopology, RepoError> {
        self.ask(self.inner.store_mutation(id, token, topology, at)).await
    }

    async fn finish_mutation(
        &self,
        id: MutationId,
        token: ClaimToken,
        outcome: Outcome,
        at: Timestamp,
    ) -> Result<MutationRow, RepoError> {
        self.ask(self.inner.finish_mutation(id, token, outcome, at)).await
    }

    async fn mutation(&self, id: MutationId) -> Result<MutationRow, RepoError> {
        self.ask(self.inner.mutation(id)).await
    }

    async fn mutations(&self, filter: &MutationFilter) -> Result<MutationPage, RepoError> {
        self.ask(self.inner.mutations(filter)).await
    }

    async fn has_pending(&self, id: TopologyId) -> Result<bool, RepoError> {
        self.ask(self.inner.has_pending(id)).await
    }

    async fn decky_changes(&self, id: TopologyId, since: Option<Timestamp>) -> Result<Vec<RecordedChange>, RepoError> {
        self.ask(self.inner.decky_changes(id, since)).await
    }

    async fn delete(&self, id: TopologyId, at: Timestamp) -> Result<(), RepoError> {
        self.ask(self.inner.delete(id, at)).await
    }
}
