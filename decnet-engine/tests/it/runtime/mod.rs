//! What any runtime must do: one suite of clauses, run on the simulation here and on Docker in [`crate::docker`].

pub(crate) mod existence;
mod faults;
pub(crate) mod lab;
pub(crate) mod liveness;
pub(crate) mod ownership;
#[cfg(feature = "docker")]
mod unreachable;

use std::path::PathBuf;

use decnet_engine::{
    naming::{ContainerName, NetworkName},
    runtime::simulated::Simulated,
};
use decnet_topology::{InstanceId, TopologyId};

use lab::{Lab, Outside};

/// Makes a test of each clause. The number gives each its own subnets.
macro_rules! clauses {
    ($lab:path $(, #[$mark:meta])?) => {
        $crate::runtime::clauses! { @each $lab, [$(#[$mark])?];
            existence::what_is_made_twice_is_made_once => 0,
            existence::what_is_removed_twice_is_removed_once => 8,
            existence::each_action_is_undone_by_its_inverse => 16,
            existence::a_name_with_another_spec_is_refused => 24,
            existence::what_an_action_needs_and_is_not_there_is_named => 32,
            existence::a_network_with_containers_is_busy => 40,
            existence::an_image_that_is_used_stays => 48,
            existence::a_published_port_is_taken_once => 56,
            existence::a_built_image_that_another_maze_removed_is_built_again => 208,
            existence::a_base_is_not_made_again_though_its_network_is_gone => 152,
            ownership::a_foreign_network_of_our_name_is_in_the_way_and_survives => 64,
            ownership::a_foreign_container_of_our_name_is_in_the_way_and_survives => 72,
            ownership::a_foreign_network_on_our_subnet_survives => 80,
            ownership::another_repo_cannot_touch_what_is_ours => 88,
            ownership::a_scope_shows_exactly_what_is_in_it => 96,
            ownership::foreign_networks_are_those_of_others => 104,
            liveness::a_restart_of_a_base_makes_services_that_share_its_namespace_stale => 112,
            liveness::a_service_belongs_to_its_base_by_the_volume_and_outlives_a_restart_of_it => 116,
            liveness::a_service_of_a_recreated_base_must_be_recreated_too => 124,
            liveness::a_stopped_base_is_started_by_making_it_again => 120,
            liveness::an_interface_comes_and_goes => 128,
            liveness::a_state_can_be_set_in_a_running_base_only => 136,
            liveness::an_untouched_container_keeps_its_id_and_start => 144,
        }
    };
    (@each $lab:path, $marks:tt; $($module:ident::$name:ident => $block:literal,)*) => {
        $($crate::runtime::clauses! { @one $lab, $marks, $module, $name, $block })*
    };
    (@one $lab:path, [$(#[$mark:meta])?], $module:ident, $name:ident, $block:literal) => {
        #[tokio::test]
        $(#[$mark])?
        async fn $name() {
            let lab = $lab($block).await;
            $crate::runtime::$module::$name(&lab).await;
        }
    };
}
pub(crate) use clauses;

mod simulated {
    super::clauses!(super::simulate);
}

impl Outside for Simulated {
    fn add_network(&self, name: &NetworkName, subnet: &str) {
        Simulated::add_network(self, name.clone(), subnet.parse().expect("subnet"));
    }

    fn add_container(&self, name: &ContainerName) {
        Simulated::add_container(self, name.clone(), "busybox");
    }

    fn stop(&self, name: &ContainerName) {
        assert!(Simulated::stop(self, name));
    }

    fn has_network(&self, name: &NetworkName) -> bool {
        self.world().networks.contains_key(name)
    }

    fn has_container(&self, name: &ContainerName) -> bool {
        self.world().containers.contains_key(name)
    }

    fn build_context(&self) -> PathBuf {
        "folder".into()
    }
}

async fn simulate(block: u8) -> Lab {
    let simulated = Simulated::new();
    Lab {
        runtime: Box::new(simulated.clone()),
        outside: Box::new(simulated),
        instance: InstanceId::new_v4(),
        topology: TopologyId::new_v4(),
        decoy: "decnet-decoy:test".into(),
        block,
    }
}
