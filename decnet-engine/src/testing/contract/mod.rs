//! The contract of [`Runtime`](crate::runtime::Runtime), as tests for any runtime.
//!
//! Each clause is a test whose name states what must hold. [`runtime_contract!`](crate::runtime_contract) makes one test of each,
//! given a function that makes a [`Lab`] for a block of subnets, `10.203.<block>.0/24` and the seven after it:
//!
//! ```no_run
//! use decnet_engine::testing::contract::Lab;
//!
//! async fn lab(block: u8) -> Lab {
//!     todo!("connect to the runtime")
//! }
//!
//! mod mine {
//!     decnet_engine::runtime_contract!(super::lab);
//! }
//! ```
//!
//! A second argument marks the tests, as in `runtime_contract!(lab, #[ignore = "needs Docker"])`. Clauses have different blocks,
//! so they can run at the same time on one engine. One publishes the port 42031 of 127.0.0.1.

mod checking;
mod entering;
mod existence;
mod liveness;
mod logging;
mod ownership;
mod stage;

use std::pin::Pin;

pub use stage::{Lab, Outside, create_base, create_network, create_service, restart, state, undo};

type Held<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// One requirement for every runtime.
#[derive(Debug, Clone, Copy)]
pub struct RuntimeClause {
    /// The requirement, in snake case.
    pub name: &'static str,
    /// The third byte of its first subnet.
    block: u8,
    hold: fn(&Lab) -> Held<'_>,
}

/// Runs one clause against a runtime.
///
/// # Panics
///
/// If the runtime breaks the clause, or the clause does not exist.
pub fn hold(clause: &str, factory: impl AsyncFnOnce(u8) -> Lab) {
    let found = CLAUSES.iter().find(|known| known.name == clause);
    let clause = found.expect("the clause is one of CLAUSES");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be started").block_on(async {
        let lab = factory(clause.block).await;
        (clause.hold)(&lab).await;
    });
}

macro_rules! clauses {
    ($d:tt $($module:ident { $($name:ident => $block:literal,)* })*) => {
        /// Every clause of the contract.
        pub const CLAUSES: &[RuntimeClause] = &[
            $($(RuntimeClause { name: stringify!($name), block: $block, hold: |lab| Box::pin($module::$name(lab)) },)*)*
        ];

        /// Creates one `#[test]` for each clause of the [contract](crate::testing::contract). The argument is an async
        /// function that returns a [lab](crate::testing::contract::Lab) with the runtime, given a block of subnets.
        #[macro_export]
        macro_rules! runtime_contract {
            ($d factory:expr $d(, #[$d mark:meta])?) => {$($(
                #[test]
                $d(#[$d mark])?
                fn $name() {
                    $crate::testing::contract::hold(stringify!($name), $d factory);
                }
            )*)*};
        }
    };
}

clauses! { $
    existence {
        creating_twice_creates_once => 0,
        removing_twice_removes_once => 8,
        each_action_is_undone_by_its_inverse => 16,
        a_name_with_another_spec_is_refused => 24,
        a_missing_dependency_of_an_action_is_named => 32,
        a_network_with_containers_is_busy => 40,
        an_image_in_use_is_kept => 48,
        a_host_port_is_published_only_once => 56,
        a_built_image_that_another_maze_removed_is_built_again => 208,
        an_existing_base_is_not_recreated_if_its_network_was_removed => 152,
        a_volume_survives_its_container_and_is_removed_by_its_own_action => 184,
    }
    ownership {
        a_foreign_network_with_our_name_is_an_error_and_survives => 64,
        a_foreign_container_with_our_name_is_an_error_and_survives => 72,
        a_foreign_network_on_our_subnet_survives => 80,
        another_repo_cannot_touch_our_resources => 88,
        a_scope_contains_exactly_its_resources => 96,
        foreign_networks_belong_to_others => 104,
    }
    liveness {
        a_restart_of_a_base_makes_services_that_share_its_namespace_stale => 112,
        a_service_is_tied_to_its_base_by_the_volume_and_survives_a_restart_of_the_base => 116,
        a_service_of_a_recreated_base_must_be_recreated_too => 124,
        creating_a_stopped_base_again_starts_it => 120,
        an_interface_is_connected_and_disconnected => 128,
        a_state_can_be_set_in_a_running_base_only => 136,
        an_untouched_container_keeps_its_id_and_start => 144,
    }
    checking {
        a_check_finds_a_base_that_matches_and_one_that_differs => 132,
        a_base_that_cannot_be_checked_does_not_prevent_the_check_of_others => 140,
        a_base_of_another_repo_is_neither_checked_nor_probed => 148,
        a_probe_returns_one_result_per_target_in_order => 156,
    }
    logging {
        a_log_has_each_line_whole_in_order_and_with_its_time => 160,
        a_log_since_a_time_has_no_lines_of_seconds_before_it => 164,
        a_followed_log_goes_on_until_the_container_ends => 168,
        a_followed_log_ends_when_the_container_is_removed => 172,
        a_log_of_an_unknown_container_or_of_another_repo_is_an_error => 176,
        a_reader_of_a_log_that_stops_waiting_loses_no_line_and_stops_no_other => 180,
    }
    entering {
        a_program_that_does_not_exist_exits_with_126_or_127 => 184,
        a_command_in_an_unknown_stopped_or_foreign_container_is_refused => 188,
        a_copy_of_nothing_or_from_a_foreign_container_is_refused => 192,
        a_capture_on_an_unknown_or_foreign_network_or_base_is_refused => 196,
    }
}
