//! The list of the clauses.

use super::{
    RepoClause, batching, catalog, changes, claiming, editing, enqueueing, hosting, leases, listing, placing,
    recording, shuffling, status, storing, visiting, working,
};

macro_rules! clauses {
    ($d:tt $($module:ident { $($name:ident,)* })*) => {
        /// Every clause of the contract.
        pub const CLAUSES: &[RepoClause] = &[
            $($(RepoClause { name: stringify!($name), hold: |repo| Box::pin($module::$name(repo)) },)*)*
        ];

        /// Creates one `#[test]` for each clause of the [contract](crate::testing::contract) for the stores that the expression,
        /// an async closure that returns a [`Subject`](crate::testing::contract::Subject), creates.
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
        the_instance_id_and_the_secret_of_a_store_are_stable,
        a_new_topology_is_pending_at_the_first_version,
        the_first_event_is_the_creation,
        every_field_is_loaded_as_stored,
        any_topology_is_loaded_as_stored,
        a_topology_gets_the_wanted_id_unless_it_is_taken,
        an_unknown_topology_is_not_found,
        a_name_in_use_is_refused_in_any_case,
        a_name_is_free_again_once_torn_down,
        a_name_is_free_again_once_deleted,
        a_deleted_topology_leaves_no_rows,
        a_topology_that_may_exist_on_docker_is_not_deleted,
        a_topology_of_another_version_is_not_deleted,
        a_topology_with_a_held_lease_is_not_deleted,
        one_of_several_concurrent_creations_of_one_name_wins,
    }
    listing {
        the_list_is_in_order_of_creation_and_id,
        the_list_contains_only_the_requested_statuses,
        limit_and_offset_apply_to_the_list_but_not_to_the_total,
    }
    claiming {
        claims_are_in_order_of_address,
        claims_exclude_torn_down_and_excepted_topologies,
        a_subnet_that_overlaps_a_claimed_one_is_refused,
        a_subnet_next_to_a_claimed_one_is_free,
        an_edit_to_a_claimed_subnet_is_refused,
        an_edit_may_keep_its_own_subnets,
        the_subnets_of_a_torn_down_topology_are_free,
        one_of_several_concurrent_creations_with_overlapping_subnets_wins,
    }
    editing {
        an_edit_replaces_the_maze_and_counts,
        an_edit_without_an_expected_version_succeeds,
        an_edit_that_expects_another_version_is_refused,
        only_a_pending_topology_can_be_edited,
        one_of_several_edits_of_the_same_version_wins,
        a_load_is_a_consistent_snapshot_during_edits,
        a_list_is_a_consistent_snapshot_during_writes,
        settings_are_stored_until_torn_down_and_do_not_count_as_an_edit,
        settings_are_stored_with_a_status_or_not_at_all,
        needs_resync_is_stored_and_does_not_count_as_an_edit,
        changed_settings_of_a_running_topology_need_a_resync,
        settings_with_a_lost_lease_are_refused,
    }
    catalog {
        the_catalogue_of_a_topology_is_loaded_as_stored,
        an_edit_and_a_mutation_add_to_the_catalogue_or_nothing,
        entries_are_added_under_the_lease_and_replace_those_of_their_names,
    }
    placing {
        a_placement_is_loaded_as_stored_until_torn_down_and_does_not_count_as_an_edit,
        a_changed_placement_of_a_running_topology_needs_a_resync,
        a_vni_of_another_topology_is_refused_until_that_is_torn_down,
        one_of_several_topologies_gets_a_vni,
        one_of_several_topologies_fills_a_host,
        a_host_with_too_many_deckies_keeps_them,
        the_deckies_of_a_maze_of_mode_agent_count_on_its_host,
        a_placement_with_a_lost_lease_is_refused,
    }
    hosting {
        a_token_is_returned_as_stored_and_removed_after_it_expired,
        a_token_works_once,
        one_of_several_hosts_joins_with_a_token,
        two_hosts_have_different_names_unless_one_was_revoked,
        a_host_that_is_revoked_while_it_joins_again_stays_revoked,
        a_heartbeat_is_stored_unless_a_later_one_was,
        of_heartbeats_that_several_masters_get_at_once_the_last_one_made_stays,
        a_change_of_a_host_keeps_the_time_of_the_first,
        hosts_do_not_depend_on_topologies,
        the_first_authority_of_several_masters_stays,
    }
    shuffling {
        a_time_of_shuffles_in_the_future_is_replaced_and_an_earlier_one_is_ignored,
        shuffles_are_queued_once_with_their_trigger_or_not_at_all,
        shuffles_count_from_the_deploy_and_from_the_last_change_of_the_rules,
    }
    status {
        only_steps_of_the_status_machine_are_allowed,
        a_change_from_an_outdated_status_is_refused,
        each_change_appends_its_event,
        the_intent_is_kept_until_another_is_set,
        one_of_several_concurrent_changes_from_one_status_wins,
        a_change_with_a_lost_lease_is_refused,
        a_change_that_expects_another_version_is_refused,
    }
    leases {
        a_free_lease_is_acquired,
        a_held_lease_is_refused_and_the_holder_is_returned,
        an_expired_lease_is_free,
        a_dead_holder_is_superseded,
        a_lease_newer_than_the_dead_one_is_not_superseded,
        a_renewed_lease_lasts_from_its_renewal,
        an_expired_lease_is_renewed_if_nobody_took_it,
        a_lease_that_another_process_took_is_lost,
        a_released_lease_is_free_and_release_is_idempotent,
        a_lost_lease_cannot_release_the_new_one,
        each_acquired_lease_has_a_higher_generation_and_a_renewal_keeps_it,
        a_drawn_generation_is_above_the_given_one_and_lower_than_the_next,
        leases_do_not_count_as_edits,
        one_of_many_concurrent_requests_gets_the_lease,
    }
    enqueueing {
        a_mutation_is_enqueued_as_requested,
        every_mutation_is_returned_as_requested,
        a_mutation_that_could_not_be_read_back_is_refused,
        a_mutation_that_expects_another_version_is_refused,
        only_a_running_topology_with_intent_up_takes_mutations,
        one_of_several_mutations_of_the_same_version_wins,
        mutations_are_listed_in_order_and_filtered_by_topology_and_state,
        limit_and_offset_apply_to_the_mutations_but_not_to_the_total,
        an_unknown_mutation_is_not_found,
        a_mutation_is_unfinished_until_it_is_finished,
        pending_mutations_are_rejected_by_a_teardown,
        no_mutation_of_a_topology_that_takes_none_is_claimed,
        the_mutation_of_a_dead_worker_is_finished_when_its_topology_is_torn_down,
        a_stored_pending_mutation_fails_at_a_teardown,
        mutations_are_deleted_with_their_topology_and_numbers_are_not_reused,
    }
    working {
        the_oldest_mutation_is_claimed_first,
        only_one_mutation_of_a_topology_is_claimed_at_a_time,
        mutations_of_several_topologies_are_claimed_in_parallel,
        a_mutation_with_an_expired_claim_is_claimed_again,
        a_dead_holder_of_a_claim_is_superseded,
        a_renewed_claim_lasts_from_its_renewal,
        a_lost_claim_is_refused,
        a_released_mutation_keeps_its_place,
        a_mutation_released_after_a_teardown_is_finished,
        a_mutation_is_stored_once_and_does_not_count_as_an_edit,
        a_mutation_cannot_store_a_claimed_subnet,
        no_mutation_is_stored_for_a_topology_that_does_not_run,
        a_stored_mutation_cannot_be_rejected_and_an_unstored_one_cannot_be_applied,
        each_mutation_is_claimed_once_and_in_order_by_many_concurrent_workers,
    }
    batching {
        a_batch_is_stored_with_its_result_and_waits_in_the_queue,
        the_mutations_of_a_batch_are_finished_in_order,
        a_batch_fails_at_a_teardown,
        a_batch_is_refused_as_a_whole,
    }
    recording {
        an_edit_stores_the_mutation_that_made_it,
        edits_and_mutations_record_the_changes_of_deckies,
    }
    changes {
        every_change_is_logged_once_and_in_order,
        every_stage_of_a_mutation_is_logged,
        a_write_that_changes_nothing_is_not_logged,
        changes_are_read_page_by_page_and_by_topology,
        numbers_of_changes_are_not_reused,
        removed_changes_and_foreign_numbers_are_refused,
        a_reader_misses_no_change_of_concurrent_writers,
        a_stamp_differs_after_every_write_and_not_otherwise,
    }
    visiting {
        a_visit_is_returned_as_stored_and_stored_once,
        visits_are_in_order_of_time_and_filtered,
        visits_are_read_page_by_page,
        the_oldest_visits_of_a_topology_are_removed,
        visits_of_an_unknown_topology_are_skipped,
        visits_outlive_a_teardown_and_are_deleted_with_their_topology,
    }
}
