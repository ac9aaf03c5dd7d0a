//! Stores in memory with a guard before each call.

/// Implements the traits of a repo for a type with a store `inner`: each call goes through the type's own `guard(name, call)`,
/// which may refuse it or withhold the result.
macro_rules! guarded {
    ($guarded:ident) => {
        guarded! { $guarded:
            TopologyStore {
                instance() -> InstanceId;
                secret() -> InstallationSecret;
                create(new: NewTopology, at: Timestamp) -> StoredTopology;
                get(id: TopologyId) -> TopologyRow;
                list(filter: &TopologyFilter) -> TopologyPage;
                load(id: TopologyId) -> StoredTopology;
                edit(id: TopologyId, edit: Edit, at: Timestamp) -> StoredTopology;
                set_status(id: TopologyId, change: StatusChange, at: Timestamp) -> TopologyRow;
                status_events(id: TopologyId) -> Vec<StatusEvent>;
                set_settings(id: TopologyId, settings: DeploySettings, held: Option<LeaseToken>, at: Timestamp) -> TopologyRow;
                extend_catalog(id: TopologyId, catalog: CatalogExcerpt, held: Option<LeaseToken>, at: Timestamp) -> TopologyRow;
                set_placement(id: TopologyId, placement: Option<Placement>, held: Option<LeaseToken>, at: Timestamp) -> TopologyRow;
                set_needs_resync(id: TopologyId, needs_resync: bool, held: Option<LeaseToken>, at: Timestamp) -> ();
                claims(except: Option<TopologyId>) -> Vec<SubnetClaim>;
                decky_changes(id: TopologyId, since: Option<Timestamp>) -> Vec<RecordedChange>;
                delete(id: TopologyId, expected: Option<Version>, at: Timestamp) -> ();
            }
            LeaseStore {
                acquire_lease(id: TopologyId, holder: &Holder, time: SignedDuration, superseding: Option<LeaseToken>, at: Timestamp) -> Lease;
                renew_lease(id: TopologyId, token: LeaseToken, time: SignedDuration, at: Timestamp) -> Lease;
                release_lease(id: TopologyId, token: LeaseToken) -> ();
                next_generation(above: u64) -> u64;
                lease(id: TopologyId, at: Timestamp) -> Option<Lease>;
            }
            MutationQueue {
                enqueue(id: TopologyId, new: NewMutation, expected: Option<Version>, at: Timestamp) -> MutationRow;
                enqueue_shuffles(id: TopologyId, shuffles: Vec<NewMutation>, until: Timestamp, expected: Version, at: Timestamp) -> Vec<MutationRow>;
                store_batch(id: TopologyId, edit: BatchEdit, at: Timestamp) -> (StoredTopology, Vec<MutationRow>);
                claim_mutation(topology: Option<TopologyId>, holder: &Holder, time: SignedDuration, superseding: Option<ClaimToken>, at: Timestamp) -> Option<MutationRow>;
                renew_claim(id: MutationId, token: ClaimToken, time: SignedDuration, at: Timestamp) -> MutationClaim;
                release_claim(id: MutationId, token: ClaimToken, at: Timestamp) -> ();
                store_mutation(id: MutationId, token: ClaimToken, topology: Topology, at: Timestamp) -> StoredTopology;
                finish_mutation(id: MutationId, token: ClaimToken, outcome: MutationOutcome, at: Timestamp) -> MutationRow;
                mutation(id: MutationId) -> MutationRow;
                mutations(filter: &MutationFilter) -> MutationPage;
                has_unfinished(id: TopologyId) -> bool;
            }
            VisitStore {
                put_visits(visits: Vec<Visit>, keep: usize) -> usize;
                visits(filter: &VisitFilter) -> Vec<Visit>;
            }
            HostStore {
                fleet_authority() -> Option<String>;
                set_fleet_authority(expected: Option<&str>, authority: &str) -> String;
                add_enrolment(enrolment: Enrolment, at: Timestamp) -> ();
                enrolment(id: EnrolmentId) -> Option<Enrolment>;
                enroll_host(id: EnrolmentId, address: &str, at: Timestamp) -> HostRow;
                host_heard(id: HostId, address: &str, report: &str, at: Timestamp) -> ();
                change_host(id: HostId, change: HostChange, at: Timestamp) -> HostRow;
                hosts() -> Vec<HostRow>;
            }
            ChangeLog {
                changes_since(after: Option<Sequence>, filter: &ChangeFilter) -> ChangePage;
                trim_changes(keep: usize) -> ();
            }
        }
    };
    ($guarded:ident: $($store:ident { $($method:ident($($argument:ident: $kind:ty),*) -> $result:ty;)* })*) => {
        const _: () = {
            use async_trait::async_trait;
            use decnet_topology::{Enrolment, EnrolmentId, HostChange, HostId, HostRow, HostStore, BatchEdit, CatalogExcerpt, ChangeFilter, ChangeLog, ChangePage, Sequence, ClaimToken, DeploySettings, InstallationSecret, InstanceId, LeaseStore, LeaseToken, MutationId, MutationQueue, StoredTopology, Topology, TopologyId, TopologyRow, TopologyStore, Version, Visit, VisitFilter, VisitStore, SubnetClaim, Edit, Holder, Lease, TopologyFilter, MutationClaim, MutationFilter, MutationPage, MutationRow, NewMutation, NewTopology, Placement, MutationOutcome, TopologyPage, RecordedChange, StatusChange, StatusEvent};
            use jiff::{SignedDuration, Timestamp};

            $(#[async_trait]
            impl $store for $guarded {
                $(async fn $method(&self, $($argument: $kind),*) -> Result<$result, RepoError> {
                    self.guard(stringify!($method), self.inner.$method($($argument),*)).await
                })*
            })*
        };
    };
}
