//! What every [`Repo`] must do, as tests for any implementation.
//!
//! Each clause is a test whose name states what must hold. [`repo_contract!`](crate::repo_contract) makes one test of each:
//!
//! ```
//! use decnet_topology::repo::MemoryRepo;
//! use decnet_topology::testing::contract::Subject;
//!
//! mod memory {
//! #   use super::*;
//!     decnet_topology::repo_contract!(async || Subject::new(MemoryRepo::new()));
//! }
//! # decnet_topology::testing::contract::hold("a_free_lease_is_taken", async || Subject::new(MemoryRepo::new()));
//! ```
//!
//! The factory is called once a clause and must give an empty store each time. The clauses run on a tokio runtime of their
//! own; some call the store from several threads at once.

mod any;
mod claiming;
mod editing;
mod enqueueing;
mod leases;
mod listing;
mod recording;
mod stage;
mod status;
mod storing;
mod working;

use std::{any::Any, fmt, pin::Pin, sync::Arc};

use crate::repo::Repo;

/// An empty store for the contract.
#[derive(Debug)]
pub struct Subject {
    repo: Arc<dyn Repo>,
    keep: Box<dyn Kept>,
}

trait Kept: Any + Send + fmt::Debug {}

impl<T: Any + Send + fmt::Debug> Kept for T {}

impl Subject {
    /// Holds a store to the contract.
    pub fn new(repo: impl Repo + 'static) -> Self {
        Self {
            repo: Arc::new(repo),
            keep: Box::new(()),
        }
    }

    /// Keeps something, a temporary folder say, until the clause is over.
    #[must_use]
    pub fn keeping(mut self, guard: impl Any + Send + fmt::Debug) -> Self {
        self.keep = Box::new(guard);
        self
    }
}

type Held = Pin<Box<dyn Future<Output = ()> + Send>>;

/// One thing that every repo must do.
#[derive(Debug, Clone, Copy)]
pub struct Clause {
    /// What must hold, in snake case.
    pub name: &'static str,
    hold: fn(Arc<dyn Repo>) -> Held,
}

/// Holds an empty store to one clause.
///
/// # Panics
///
/// If the store breaks the clause, or the clause is unknown.
pub fn hold(clause: &str, factory: impl AsyncFnOnce() -> Subject) {
    let found = CLAUSES.iter().find(|known| known.name == clause);
    let clause = found.expect("the clause is one of CLAUSES");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build();
    runtime.expect("a runtime can be started").block_on(async {
        let Subject { repo, keep } = factory().await;
        (clause.hold)(repo).await;
        drop(keep);
    });
}

/// Holds a store to every clause, each time an empty one, for who wants one test instead of one a clause.
///
/// # Panics
///
/// At the first clause that does not hold.
pub fn run(factory: impl AsyncFn() -> Subject) {
    for clause in CLAUSES {
        hold(clause.name, &factory);
    }
}

macro_rules! clauses {
    ($d:tt $($module:ident { $($name:ident,)* })*) => {
        /// Every clause of the contract.
        pub const CLAUSES: &[Clause] = &[
            $($(Clause { name: stringify!($name), hold: |repo| Box::pin($module::$name(repo)) },)*)*
        ];

        /// Makes one `#[test]` of each clause of the [contract](crate::testing::contract) for the stores that the expression,
        /// an async closure that returns a [`Subject`](crate::testing::contract::Subject), makes.
        #[macro_export]
        macro_rules! repo_contract {
            ($d factory:expr) => {$($(
                #[test]
                fn $name() {
                    $crate::testing::contract::hold(stringify!($name), $d factory);
                }
            )*)*};
        }
    };
}

clauses! { $
    storing {
        a_store_keeps_its_instance_id,
        a_new_topology_is_pending_at_the_first_version,
        the_first_event_is_the_creation,
        every_field_comes_back_as_it_was_stored,
        any_topology_comes_back_as_it_was_stored,
        a_topology_gets_the_id_that_it_wants_unless_another_has_it,
        an_unknown_topology_is_not_found,
        a_name_in_use_is_refused_whatever_its_case,
        a_name_is_free_again_once_torn_down,
        a_name_is_free_again_once_deleted,
        a_deleted_topology_leaves_nothing,
        what_may_be_on_docker_is_not_deleted,
        what_someone_is_at_work_on_is_not_deleted,
        of_creations_of_one_name_at_once_one_wins,
    }
    listing {
        the_list_is_in_order_of_creation_and_id,
        the_list_holds_only_the_statuses_asked_for,
        limit_and_offset_cut_the_list_but_not_the_total,
    }
    claiming {
        claims_are_in_order_of_address,
        claims_leave_out_the_torn_down_and_the_excepted,
        a_subnet_that_overlaps_a_claimed_one_is_refused,
        a_subnet_beside_a_claimed_one_is_free,
        an_edit_to_a_claimed_subnet_is_refused,
        an_edit_may_keep_its_own_subnets,
        the_subnets_of_a_torn_down_topology_are_free,
        of_creations_with_overlapping_subnets_at_once_one_wins,
    }
    editing {
        an_edit_replaces_the_maze_and_counts,
        an_edit_that_expects_nothing_is_made,
        an_edit_of_another_version_is_refused,
        only_a_pending_topology_is_edited,
        of_edits_that_saw_one_version_one_wins,
        a_load_is_one_moment_while_others_edit,
        a_list_is_one_moment_while_others_write,
        settings_are_remembered_until_torn_down_and_are_no_edit,
        settings_are_stored_with_a_status_or_not_at_all,
        needs_resync_is_remembered_and_is_no_edit,
        other_settings_of_what_runs_need_a_resync,
        settings_under_a_lease_that_was_lost_are_refused,
    }
    status {
        only_the_steps_of_the_status_machine_are_taken,
        a_change_from_a_status_it_no_longer_has_is_refused,
        each_change_appends_its_event,
        the_intent_stays_until_another_is_given,
        of_changes_from_one_status_at_once_one_wins,
        a_change_under_a_lease_that_was_lost_is_refused,
        a_change_of_another_version_is_refused,
    }
    leases {
        a_free_lease_is_taken,
        a_held_lease_is_refused_and_says_who_holds_it,
        a_lease_is_free_once_its_time_is_over,
        a_holder_found_dead_is_superseded,
        a_newer_lease_than_the_one_found_dead_is_not_superseded,
        a_renewed_lease_lasts_from_then_on,
        a_lease_that_ran_out_is_renewed_if_no_one_took_it,
        a_lease_that_another_took_is_lost,
        a_lease_given_back_is_free_and_giving_it_back_again_is_no_error,
        a_lease_that_another_took_is_not_given_back,
        leases_are_no_edit_of_the_topology,
        of_many_that_want_one_lease_at_once_one_gets_it,
    }
    enqueueing {
        a_mutation_is_enqueued_as_it_was_asked_for,
        every_mutation_comes_back_as_it_was_asked_for,
        a_mutation_that_could_not_be_read_back_is_refused,
        a_mutation_of_another_version_is_refused,
        only_a_topology_that_runs_and_is_meant_to_takes_mutations,
        of_mutations_that_saw_one_version_one_wins,
        mutations_are_listed_in_order_by_topology_and_state,
        limit_and_offset_cut_the_mutations_but_not_the_total,
        an_unknown_mutation_is_not_found,
        a_mutation_is_pending_until_it_is_finished,
        what_is_pending_is_rejected_by_a_teardown,
        of_a_topology_that_takes_no_mutations_none_is_claimed,
        what_a_dead_worker_held_is_finished_when_its_topology_is_down,
        what_is_stored_and_pending_has_failed_after_a_teardown,
        mutations_go_with_their_topology_and_numbers_are_not_given_again,
    }
    working {
        the_oldest_mutation_is_claimed,
        a_topology_is_worked_on_by_one_at_a_time,
        topologies_are_worked_on_side_by_side,
        a_mutation_whose_claim_ran_out_is_taken_up_again,
        a_holder_of_a_claim_found_dead_is_superseded,
        a_renewed_claim_lasts_from_then_on,
        a_claim_that_was_lost_is_refused,
        a_mutation_given_back_keeps_its_place,
        a_mutation_given_back_after_a_teardown_is_finished,
        a_mutation_is_stored_once_and_is_no_edit,
        a_claimed_subnet_is_not_stored_by_a_mutation,
        nothing_is_stored_for_a_topology_that_does_not_run,
        what_is_in_the_maze_is_not_rejected_and_what_is_not_is_not_applied,
        each_mutation_is_claimed_once_and_in_order_by_many_at_once,
    }
    recording {
        an_edit_keeps_the_mutation_that_made_it,
        edits_and_mutations_keep_what_they_changed_of_deckies,
    }
}
