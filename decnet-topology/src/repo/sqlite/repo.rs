//! The methods of the repo, each a transaction off the async threads.

use std::path::PathBuf;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use super::{SqliteRepo, changes, leases, lock, maze, mutations, off_the_async_threads, schema, topologies};
use crate::{
    id::{ClaimToken, InstanceId, LeaseToken, MutationId, TopologyId},
    model::{DeploySettings, StoredTopology, Topology, TopologyRow},
    repo::{
        Claim, Edit, Holder, Lease, ListFilter, MutationClaim, MutationFilter, MutationPage, MutationRow, NewMutation,
        NewTopology, Outcome, Page, RecordedChange, Repo, RepoError, StatusChange,
    },
    rng,
    status::StatusEvent,
    version::Version,
};

#[async_trait]
impl Repo for SqliteRepo {
    async fn instance(&self) -> Result<InstanceId, RepoError> {
        self.read(topologies::instance).await
    }

    async fn schema_version(&self) -> Result<u32, RepoError> {
        Ok(schema::latest())
    }

    async fn create(&self, new: NewTopology, at: Timestamp) -> Result<StoredTopology, RepoError> {
        self.write(move |tx| topologies::create(tx, &mut rng::topology_id, new, at))
            .await
    }

    async fn get(&self, id: TopologyId) -> Result<TopologyRow, RepoError> {
        self.read(move |moment| Ok(topologies::find(moment, id)?.row)).await
    }

    async fn list(&self, filter: &ListFilter) -> Result<Page, RepoError> {
        let filter = filter.clone();
        self.read(move |moment| topologies::list(moment, &filter)).await
    }

    async fn load(&self, id: TopologyId) -> Result<StoredTopology, RepoError> {
        self.read(move |moment| topologies::load(moment, id)).await
    }

    async fn edit(&self, id: TopologyId, edit: Edit, at: Timestamp) -> Result<StoredTopology, RepoError> {
        self.write(move |tx| topologies::edit(tx, id, edit, at)).await
    }

    async fn set_status(&self, id: TopologyId, change: StatusChange, at: Timestamp) -> Result<TopologyRow, RepoError> {
        self.write(move |tx| topologies::set_status(tx, id, change, at)).await
    }

    async fn status_events(&self, id: TopologyId) -> Result<Vec<StatusEvent>, RepoError> {
        self.read(move |moment| topologies::status_events(moment, id)).await
    }

    async fn set_settings(
        &self,
        id: TopologyId,
        settings: DeploySettings,
        at: Timestamp,
    ) -> Result<TopologyRow, RepoError> {
        self.write(move |tx| topologies::set_settings(tx, id, settings, at))
            .await
    }

    async fn set_needs_resync(&self, id: TopologyId, needs_resync: bool, at: Timestamp) -> Result<(), RepoError> {
        self.write(move |tx| topologies::set_needs_resync(tx, id, needs_resync, at))
            .await
    }

    async fn claims(&self, except: Option<TopologyId>) -> Result<Vec<Claim>, RepoError> {
        self.read(move |moment| maze::claims(moment, except, maze::EVERYWHERE))
            .await
    }

    async fn acquire_lease(
        &self,
        id: TopologyId,
        holder: &Holder,
        time: SignedDuration,
        superseding: Option<LeaseToken>,
        at: Timestamp,
    ) -> Result<Lease, RepoError> {
        let holder = holder.clone();
        self.write(move |tx| leases::acquire(tx, id, &holder, time, superseding, at))
            .await
    }

    async fn renew_lease(
        &self,
        id: TopologyId,
        token: LeaseToken,
        time: SignedDuration,
        at: Timestamp,
    ) -> Result<Lease, RepoError> {
        self.write(move |tx| leases::renew(tx, id, token, time, at)).await
    }

    async fn release_lease(&self, id: TopologyId, token: LeaseToken) -> Result<(), RepoError> {
        self.write(move |tx| leases::release(tx, id, token)).await
    }

    async fn lock_unwritten(&self) -> Result<Box<dyn Send + Sync>, RepoError> {
        let Some(path) = self.path().map(PathBuf::from) else {
            return Ok(Box::new(()));
        };
        off_the_async_threads(move || Ok(Box::new(lock::take(&path)?) as Box<dyn Send + Sync>)).await
    }

    async fn lease(&self, id: TopologyId, at: Timestamp) -> Result<Option<Lease>, RepoError> {
        self.read(move |moment| leases::held(moment, id, at)).await
    }

    async fn enqueue(
        &self,
        id: TopologyId,
        new: NewMutation,
        expected: Option<Version>,
        at: Timestamp,
    ) -> Result<MutationRow, RepoError> {
        self.write(move |tx| mutations::enqueue(tx, id, new, expected, at))
            .await
    }

    async fn claim_mutation(
        &self,
        topology: Option<TopologyId>,
        holder: &Holder,
        time: SignedDuration,
        superseding: Option<ClaimToken>,
        at: Timestamp,
    ) -> Result<Option<MutationRow>, RepoError> {
        let holder = holder.clone();
        self.write(move |tx| mutations::claim(tx, topology, &holder, time, superseding, at))
            .await
    }

    async fn renew_claim(
        &self,
        id: MutationId,
        token: ClaimToken,
        time: SignedDuration,
        at: Timestamp,
    ) -> Result<MutationClaim, RepoError> {
        self.write(move |tx| mutations::renew(tx, id, token, time, at)).await
    }

    async fn release_claim(&self, id: MutationId, token: ClaimToken, at: Timestamp) -> Result<(), RepoError> {
        self.write(move |tx| mutations::release_claim(tx, id, token, at)).await
    }

    async fn store_mutation(
        &self,
        id: MutationId,
        token: ClaimToken,
        topology: Topology,
        at: Timestamp,
    ) -> Result<StoredTopology, RepoError> {
        self.write(move |tx| mutations::store(tx, id, token, topology, at))
            .await
    }

    async fn finish_mutation(
        &self,
        id: MutationId,
        token: ClaimToken,
        outcome: Outcome,
        at: Timestamp,
    ) -> Result<MutationRow, RepoError> {
        self.write(move |tx| mutations::finish(tx, id, token, outcome, at))
            .await
    }

    async fn mutation(&self, id: MutationId) -> Result<MutationRow, RepoError> {
        self.read(move |moment| mutations::find(moment, id)).await
    }

    async fn mutations(&self, filter: &MutationFilter) -> Result<MutationPage, RepoError> {
        let filter = filter.clone();
        self.read(move |moment| mutations::list(moment, &filter)).await
    }

    async fn has_unfinished(&self, id: TopologyId) -> Result<bool, RepoError> {
        self.read(move |moment| mutations::has_unfinished(moment, id)).await
    }

    async fn decky_changes(&self, id: TopologyId, since: Option<Timestamp>) -> Result<Vec<RecordedChange>, RepoError> {
        self.read(move |moment| changes::list(moment, id, since)).await
    }

    async fn delete(&self, id: TopologyId, at: Timestamp) -> Result<(), RepoError> {
        self.write(move |tx| topologies::delete(tx, id, at)).await
    }
}
