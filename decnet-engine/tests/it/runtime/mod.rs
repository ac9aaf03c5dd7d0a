//! The contract of runtimes on the simulation, and its additional behaviour.

mod faults;
#[cfg(feature = "docker")]
mod unreachable;

use std::path::PathBuf;

use decnet_engine::{
    ContainerName, NetworkName,
    simulated::Simulated,
    testing::contract::{Lab, Outside},
};
use decnet_topology::{InstanceId, TopologyId};

mod simulated {
    decnet_engine::runtime_contract!(super::simulate);
}

/// Another client of the simulated engine.
#[derive(Debug)]
struct Outsider(Simulated);

impl Outside for Outsider {
    fn add_network(&self, name: &NetworkName, subnet: &str) {
        self.0.add_network(name.clone(), subnet.parse().expect("subnet"));
    }

    fn add_container(&self, name: &ContainerName) {
        self.0.add_container(name.clone(), "busybox");
    }

    fn stop(&self, name: &ContainerName) {
        assert!(self.0.stop(name));
    }

    fn print(&self, name: &ContainerName, text: &str) {
        assert!(self.0.print(name, text));
    }

    fn has_network(&self, name: &NetworkName) -> bool {
        self.0.world().networks.contains_key(name)
    }

    fn has_container(&self, name: &ContainerName) -> bool {
        self.0.world().containers.contains_key(name)
    }

    fn build_context(&self) -> PathBuf {
        "folder".into()
    }
}

async fn simulate(block: u8) -> Lab {
    simulate_with(block).0
}

/// Returns a simulation, and a lab of it.
pub(crate) fn simulate_with(block: u8) -> (Lab, Simulated) {
    let simulated = Simulated::new();
    let lab = Lab {
        runtime: Box::new(simulated.clone()),
        outside: Box::new(Outsider(simulated.clone())),
        instance: InstanceId::new_v4(),
        topology: TopologyId::new_v4(),
        decoy: "decnet-decoy:test".into(),
        block,
    };
    (lab, simulated)
}
