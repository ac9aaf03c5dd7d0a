//! A custom store. Every store must pass the contract; `tests/it/contract.rs` runs it for this one.

use std::sync::{Mutex, PoisonError};

use decnet_topology::{
    BatchEdit, CatalogExcerpt, ChangeFilter, ChangeLog, ChangePage, ClaimToken, DeploySettings, Edit, Enrolment,
    EnrolmentId, Holder, HostChange, HostId, HostRow, HostStore, InstallationSecret, InstanceId, Lease, LeaseStore,
    LeaseToken, MutationClaim, MutationFilter, MutationId, MutationOutcome, MutationPage, MutationQueue, MutationRow,
    NewMutation, NewTopology, Placement, RecordedChange, RepoError, Sequence, SignedDuration, StatusChange,
    StatusEvent, StoredTopology, SubnetClaim, Timestamp, Topology, TopologyFilter, TopologyId, TopologyPage,
    TopologyRow, TopologyStore, Version, Visit, VisitFilter, VisitStore, async_trait,
};

/// A store that writes a line for each change.
#[derive(Debug)]
pub struct Audited<R> {
    inner: R,
    lines: Mutex<Vec<String>>,
}

impl<R> Audited<R> {
    /// Keeps mazes in another store.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            lines: Mutex::default(),
        }
    }

    fn note(&self, at: Timestamp, what: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(format!("{at} {what}"));
    }

    /// Returns the lines, oldest first.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl<R: TopologyStore> TopologyStore for Audited<R> {
    async fn instance(&self) -> Result<InstanceId, RepoError> {
        self.inner.instance().await
    }

    async fn secret(&self) -> Result<InstallationSecret, RepoError> {
        self.inner.secret().await
    }

    async fn create(&self, new: NewTopology, at: Timestamp) -> Result<StoredTopology, RepoError> {
        let stored = self.inner.create(new, at).await?;
        self.note(at, &format!("created {}", stored.row.name));
        Ok(stored)
    }

    async fn get(&self, id: TopologyId) -> Result<TopologyRow, RepoError> {
        self.inner.get(id).await
    }

    async fn list(&self, filter: &TopologyFilter) -> Result<TopologyPage, RepoError> {
        self.inner.list(filter).await
    }

    async fn load(&self, id: TopologyId) -> Result<StoredTopology, RepoError> {
        self.inner.load(id).await
    }

    async fn edit(&self, id: TopologyId, edit: Edit, at: Timestamp) -> Result<StoredTopology, RepoError> {
        let stored = self.inner.edit(id, edit, at).await?;
        self.note(
            at,
            &format!("edited {} to version {}", stored.row.name, stored.row.version),
        );
        Ok(stored)
    }

    async fn set_status(&self, id: TopologyId, change: StatusChange, at: Timestamp) -> Result<TopologyRow, RepoError> {
        let row = self.inner.set_status(id, change, at).await?;
        self.note(at, &format!("{} became {}", row.name, row.status));
        Ok(row)
    }

    async fn status_events(&self, id: TopologyId) -> Result<Vec<StatusEvent>, RepoError> {
        self.inner.status_events(id).await
    }

    async fn set_settings(
        &self,
        id: TopologyId,
        settings: DeploySettings,
        held: Option<LeaseToken>,
        at: Timestamp,
    ) -> Result<TopologyRow, RepoError> {
        self.inner.set_settings(id, settings, held, at).await
    }

    async fn extend_catalog(
        &self,
        id: TopologyId,
        catalog: CatalogExcerpt,
        held: Option<LeaseToken>,
        at: Timestamp,
    ) -> Result<TopologyRow, RepoError> {
        self.inner.extend_catalog(id, catalog, held, at).await
    }

    async fn set_placement(
        &self,
        id: TopologyId,
        placement: Option<Placement>,
        held: Option<LeaseToken>,
        at: Timestamp,
    ) -> Result<TopologyRow, RepoError> {
        self.inner.set_placement(id, placement, held, at).await
    }

    async fn set_needs_resync(
        &self,
        id: TopologyId,
        needs_resync: bool,
        held: Option<LeaseToken>,
        at: Timestamp,
    ) -> Result<(), RepoError> {
        self.inner.set_needs_resync(id, needs_resync, held, at).await
    }

    async fn claims(&self, except: Option<TopologyId>) -> Result<Vec<SubnetClaim>, RepoError> {
        self.inner.claims(except).await
    }

    async fn decky_changes(&self, id: TopologyId, since: Option<Timestamp>) -> Result<Vec<RecordedChange>, RepoError> {
        self.inner.decky_changes(id, since).await
    }

    async fn delete(&self, id: TopologyId, expected: Option<Version>, at: Timestamp) -> Result<(), RepoError> {
        self.inner.delete(id, expected, at).await?;
        self.note(at, &format!("deleted {id}"));
        Ok(())
    }
}

#[async_trait]
impl<R: LeaseStore> LeaseStore for Audited<R> {
    async fn acquire_lease(
        &self,
        id: TopologyId,
        holder: &Holder,
        time: SignedDuration,
        superseding: Option<LeaseToken>,
        at: Timestamp,
    ) -> Result<Lease, RepoError> {
        self.inner.acquire_lease(id, holder, time, superseding, at).await
    }

    async fn renew_lease(
        &self,
        id: TopologyId,
        token: LeaseToken,
        time: SignedDuration,
        at: Timestamp,
    ) -> Result<Lease, RepoError> {
        self.inner.renew_lease(id, token, time, at).await
    }

    async fn release_lease(&self, id: TopologyId, token: LeaseToken) -> Result<(), RepoError> {
        self.inner.release_lease(id, token).await
    }

    async fn next_generation(&self, above: u64) -> Result<u64, RepoError> {
        self.inner.next_generation(above).await
    }

    async fn lease(&self, id: TopologyId, at: Timestamp) -> Result<Option<Lease>, RepoError> {
        self.inner.lease(id, at).await
    }
}

#[async_trait]
impl<R: HostStore> HostStore for Audited<R> {
    async fn fleet_authority(&self) -> Result<Option<String>, RepoError> {
        self.inner.fleet_authority().await
    }

    async fn set_fleet_authority(&self, expected: Option<&str>, authority: &str) -> Result<String, RepoError> {
        self.inner.set_fleet_authority(expected, authority).await
    }

    async fn add_enrolment(&self, enrolment: Enrolment, at: Timestamp) -> Result<(), RepoError> {
        self.inner.add_enrolment(enrolment, at).await
    }

    async fn enrolment(&self, id: EnrolmentId) -> Result<Option<Enrolment>, RepoError> {
        self.inner.enrolment(id).await
    }

    async fn enroll_host(&self, id: EnrolmentId, address: &str, at: Timestamp) -> Result<HostRow, RepoError> {
        self.inner.enroll_host(id, address, at).await
    }

    async fn host_heard(&self, id: HostId, address: &str, report: &str, at: Timestamp) -> Result<(), RepoError> {
        self.inner.host_heard(id, address, report, at).await
    }

    async fn change_host(&self, id: HostId, change: HostChange, at: Timestamp) -> Result<HostRow, RepoError> {
        self.inner.change_host(id, change, at).await
    }

    async fn hosts(&self) -> Result<Vec<HostRow>, RepoError> {
        self.inner.hosts().await
    }
}

#[async_trait]
impl<R: VisitStore> VisitStore for Audited<R> {
    async fn put_visits(&self, visits: Vec<Visit>, keep: usize) -> Result<usize, RepoError> {
        self.inner.put_visits(visits, keep).await
    }

    async fn visits(&self, filter: &VisitFilter) -> Result<Vec<Visit>, RepoError> {
        self.inner.visits(filter).await
    }
}

#[async_trait]
impl<R: ChangeLog> ChangeLog for Audited<R> {
    async fn changes_since(&self, after: Option<Sequence>, filter: &ChangeFilter) -> Result<ChangePage, RepoError> {
        self.inner.changes_since(after, filter).await
    }

    async fn trim_changes(&self, keep: usize) -> Result<(), RepoError> {
        self.inner.trim_changes(keep).await
    }
}

#[async_trait]
impl<R: MutationQueue> MutationQueue for Audited<R> {
    async fn enqueue(
        &self,
        id: TopologyId,
        new: NewMutation,
        expected: Option<Version>,
        at: Timestamp,
    ) -> Result<MutationRow, RepoError> {
        let row = self.inner.enqueue(id, new, expected, at).await?;
        let actor = row.actor.as_deref().unwrap_or("someone");
        self.note(at, &format!("{actor} queued {}: {}", row.id, row.mutation.op()));
        Ok(row)
    }

    async fn enqueue_shuffles(
        &self,
        id: TopologyId,
        shuffles: Vec<NewMutation>,
        until: Timestamp,
        expected: Version,
        at: Timestamp,
    ) -> Result<Vec<MutationRow>, RepoError> {
        let rows = self.inner.enqueue_shuffles(id, shuffles, until, expected, at).await?;
        for row in &rows {
            self.note(at, &format!("a schedule queued {}: {}", row.id, row.mutation.op()));
        }
        Ok(rows)
    }

    async fn store_batch(
        &self,
        id: TopologyId,
        edit: BatchEdit,
        at: Timestamp,
    ) -> Result<(StoredTopology, Vec<MutationRow>), RepoError> {
        let (stored, rows) = self.inner.store_batch(id, edit, at).await?;
        for row in &rows {
            let actor = row.actor.as_deref().unwrap_or("someone");
            self.note(at, &format!("{actor} stored {}: {}", row.id, row.mutation.op()));
        }
        Ok((stored, rows))
    }

    async fn claim_mutation(
        &self,
        topology: Option<TopologyId>,
        holder: &Holder,
        time: SignedDuration,
        superseding: Option<ClaimToken>,
        at: Timestamp,
    ) -> Result<Option<MutationRow>, RepoError> {
        self.inner.claim_mutation(topology, holder, time, superseding, at).await
    }

    async fn renew_claim(
        &self,
        id: MutationId,
        token: ClaimToken,
        time: SignedDuration,
        at: Timestamp,
    ) -> Result<MutationClaim, RepoError> {
        self.inner.renew_claim(id, token, time, at).await
    }

    async fn release_claim(&self, id: MutationId, token: ClaimToken, at: Timestamp) -> Result<(), RepoError> {
        self.inner.release_claim(id, token, at).await
    }

    async fn store_mutation(
        &self,
        id: MutationId,
        token: ClaimToken,
        topology: Topology,
        at: Timestamp,
    ) -> Result<StoredTopology, RepoError> {
        self.inner.store_mutation(id, token, topology, at).await
    }

    async fn finish_mutation(
        &self,
        id: MutationId,
        token: ClaimToken,
        outcome: MutationOutcome,
        at: Timestamp,
    ) -> Result<MutationRow, RepoError> {
        let row = self.inner.finish_mutation(id, token, outcome, at).await?;
        self.note(at, &format!("{} is {}", row.id, row.state));
        Ok(row)
    }

    async fn mutation(&self, id: MutationId) -> Result<MutationRow, RepoError> {
        self.inner.mutation(id).await
    }

    async fn mutations(&self, filter: &MutationFilter) -> Result<MutationPage, RepoError> {
        self.inner.mutations(filter).await
    }

    async fn has_unfinished(&self, id: TopologyId) -> Result<bool, RepoError> {
        self.inner.has_unfinished(id).await
    }
}
