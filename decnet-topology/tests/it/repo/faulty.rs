//! Stores with a fault in their log of changes: the contract finds each.

use std::panic::{AssertUnwindSafe, catch_unwind};

use decnet_topology::{
    BatchEdit, CatalogExcerpt, ChangeFilter, ChangeKind, ChangeLog, ChangePage, ClaimToken, DeploySettings, Edit,
    Enrolment, EnrolmentId, Holder, HostChange, HostId, HostRow, HostStore, InstallationSecret, InstanceId, Lease,
    LeaseStore, LeaseToken, MemoryRepo, MutationClaim, MutationFilter, MutationId, MutationOutcome, MutationPage,
    MutationQueue, MutationRow, NewMutation, NewTopology, Placement, RecordedChange, RepoError, Sequence, Stamp,
    StatusChange, StatusEvent, StoredTopology, SubnetClaim, Topology, TopologyFilter, TopologyId, TopologyPage,
    TopologyRow, TopologyStore, Version, Visit, VisitFilter, VisitStore, async_trait,
    testing::contract::{Subject, hold},
};
use jiff::{SignedDuration, Timestamp};

/// What is wrong with a log.
#[derive(Debug, Clone, Copy)]
enum Fault {
    /// Every fifth change is missing.
    Skips,
    /// The change of the given number is returned again.
    Repeats,
    /// A page is in the wrong order.
    Reverses,
    /// The changes of other topologies are returned too.
    IgnoresTopology,
    /// A page may be longer.
    IgnoresLimit,
    /// What was removed is silently missing.
    HidesRemoved,
    /// Nothing is removed.
    KeepsAll,
    /// Changes of deleted topologies are missing.
    ForgetsDeleted,
    /// The latest number is that of the last match.
    LatestOfPage,
    /// A resumed mutation is logged again.
    LogsRenewals,
    /// The stamp is always the same.
    KeepsStamp,
}

#[derive(Debug)]
struct Faulty {
    inner: MemoryRepo,
    fault: Fault,
}

impl Faulty {
    async fn page(&self, after: Option<Sequence>, filter: &ChangeFilter) -> Result<ChangePage, RepoError> {
        let all = ChangeFilter::default();
        match (self.fault, after) {
            (Fault::Repeats, Some(after)) if after > Sequence::START => {
                let before = Sequence::new(after.get() - 1);
                self.inner.changes_since(Some(before), filter).await
            }
            (Fault::IgnoresTopology, _) => self.inner.changes_since(after, &all.limit(filter.limit)).await,
            (Fault::IgnoresLimit, _) => self.inner.changes_since(after, &all.topology(filter.topology)).await,
            (Fault::HidesRemoved, _) => match self.inner.changes_since(after, filter).await {
                Err(RepoError::ChangesGone { .. }) => self.inner.changes_since(None, filter).await,
                page => page,
            },
            _ => self.inner.changes_since(after, filter).await,
        }
    }
}

#[async_trait]
impl ChangeLog for Faulty {
    async fn changes_since(&self, after: Option<Sequence>, filter: &ChangeFilter) -> Result<ChangePage, RepoError> {
        let mut page = self.page(after, filter).await?;
        let changes = &mut page.changes;
        match self.fault {
            Fault::Skips => changes.retain(|change| change.sequence.get() % 5 != 0),
            Fault::Reverses => changes.reverse(),
            Fault::ForgetsDeleted => {
                let rows = self.inner.list(&TopologyFilter::default()).await?.rows;
                changes.retain(|change| rows.iter().any(|row| row.id == change.topology));
            }
            Fault::LatestOfPage => page.latest = changes.last().map_or(page.latest, |change| change.sequence),
            Fault::LogsRenewals => {
                let is_claim = |change: &&decnet_topology::StoreChange| matches!(&change.what, ChangeKind::Mutation { state, .. } if state.as_str() == "applying");
                let again = changes.iter().filter(is_claim).cloned().collect::<Vec<_>>();
                changes.extend(again);
                changes.sort_by_key(|change| change.sequence);
            }
            _ => {}
        }
        Ok(page)
    }

    fn stamp(&self) -> Option<Stamp> {
        match self.fault {
            Fault::KeepsStamp => Some(Stamp::new(0)),
            _ => self.inner.stamp(),
        }
    }

    async fn trim_changes(&self, keep: usize) -> Result<(), RepoError> {
        match self.fault {
            Fault::KeepsAll => Ok(()),
            _ => self.inner.trim_changes(keep).await,
        }
    }
}

macro_rules! sound {
    ($($store:ident { $($method:ident($($argument:ident: $kind:ty),*) -> $result:ty;)* })*) => {
        $(#[async_trait]
        impl $store for Faulty {
            $(async fn $method(&self, $($argument: $kind),*) -> Result<$result, RepoError> {
                self.inner.$method($($argument),*).await
            })*
        })*
    };
}

sound! {
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
}

#[test]
fn the_contract_finds_each_fault_of_a_log() {
    for (fault, clause) in [
        (Fault::Skips, "every_change_is_logged_once_and_in_order"),
        (Fault::Skips, "a_reader_misses_no_change_of_concurrent_writers"),
        (Fault::Repeats, "changes_are_read_page_by_page_and_by_topology"),
        (Fault::Reverses, "every_change_is_logged_once_and_in_order"),
        (Fault::IgnoresTopology, "changes_are_read_page_by_page_and_by_topology"),
        (Fault::IgnoresLimit, "changes_are_read_page_by_page_and_by_topology"),
        (Fault::HidesRemoved, "removed_changes_and_foreign_numbers_are_refused"),
        (Fault::KeepsAll, "removed_changes_and_foreign_numbers_are_refused"),
        (Fault::ForgetsDeleted, "numbers_of_changes_are_not_reused"),
        (Fault::LatestOfPage, "changes_are_read_page_by_page_and_by_topology"),
        (Fault::LogsRenewals, "every_stage_of_a_mutation_is_logged"),
        (Fault::KeepsStamp, "a_stamp_differs_after_every_write_and_not_otherwise"),
    ] {
        let store = async || {
            let inner = MemoryRepo::new();
            Subject::new(Faulty { inner, fault })
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| hold(clause, store)));
        assert!(outcome.is_err(), "{clause} holds for a log that {fault:?}");
    }
}
