//! A store that cannot be read for a while.

use std::sync::{Arc, Mutex};

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

/// What a call of a name says meanwhile.
type Fault = fn(&str) -> Option<RepoError>;

/// A store in memory that fails as it is told to. Clones share one store.
#[derive(Debug, Clone, Default)]
pub(super) struct Shaky {
    repo: Arc<MemoryRepo>,
    fault: Arc<Mutex<(Option<Fault>, usize)>>,
}

impl Shaky {
    /// Lets calls fail, or none any more.
    pub(super) fn fail(&self, fault: Option<Fault>) {
        *self.fault.lock().expect("nobody panics with it") = (fault, 0);
    }

    /// Returns how many calls failed since.
    pub(super) fn failures(&self) -> usize {
        self.fault.lock().expect("nobody panics with it").1
    }

    fn check(&self, call: &str) -> Result<(), RepoError> {
        let (fault, failures) = &mut *self.fault.lock().expect("nobody panics with it");
        let Some(error) = fault.and_then(|fault| fault(call)) else {
            return Ok(());
        };
        *failures += 1;
        Err(error)
    }
}

macro_rules! guarded {
    ($($method:ident($($argument:ident: $kind:ty),*) -> $result:ty;)*) => {
        #[async_trait]
        impl Repo for Shaky {
            $(async fn $method(&self, $($argument: $kind),*) -> Result<$result, RepoError> {
                self.check(stringify!($method))?;
                self.repo.$method($($argument),*).await
            })*
        }
    };
}

guarded! {
    instance() -> InstanceId;
    schema_version() -> u32;
    create(new: NewTopology, at: Timestamp) -> StoredTopology;
    get(id: TopologyId) -> TopologyRow;
    list(filter: &ListFilter) -> Page;
    load(id: TopologyId) -> StoredTopology;
    edit(id: TopologyId, edit: Edit, at: Timestamp) -> StoredTopology;
    set_status(id: TopologyId, change: StatusChange, at: Timestamp) -> TopologyRow;
    status_events(id: TopologyId) -> Vec<StatusEvent>;
    set_settings(id: TopologyId, settings: DeploySettings, at: Timestamp) -> TopologyRow;
    set_needs_resync(id: TopologyId, needs_resync: bool, at: Timestamp) -> ();
    claims(except: Option<TopologyId>) -> Vec<Claim>;
    acquire_lease(id: TopologyId, holder: &Holder, time: SignedDuration, superseding: Option<LeaseToken>, at: Timestamp) -> Lease;
    renew_lease(id: TopologyId, token: LeaseToken, time: SignedDuration, at: Timestamp) -> Lease;
    release_lease(id: TopologyId, token: LeaseToken) -> ();
    lease(id: TopologyId, at: Timestamp) -> Option<Lease>;
    enqueue(id: TopologyId, new: NewMutation, expected: Option<Version>, at: Timestamp) -> MutationRow;
    claim_mutation(topology: Option<TopologyId>, holder: &Holder, time: SignedDuration, superseding: Option<ClaimToken>, at: Timestamp) -> Option<MutationRow>;
    renew_claim(id: MutationId, token: ClaimToken, time: SignedDuration, at: Timestamp) -> MutationClaim;
    give_back(id: MutationId, token: ClaimToken, at: Timestamp) -> ();
    store_mutation(id: MutationId, token: ClaimToken, topology: Topology, at: Timestamp) -> StoredTopology;
    finish_mutation(id: MutationId, token: ClaimToken, outcome: Outcome, at: Timestamp) -> MutationRow;
    mutation(id: MutationId) -> MutationRow;
    mutations(filter: &MutationFilter) -> MutationPage;
    has_pending(id: TopologyId) -> bool;
    decky_changes(id: TopologyId, since: Option<Timestamp>) -> Vec<RecordedChange>;
    delete(id: TopologyId, at: Timestamp) -> ();
}
