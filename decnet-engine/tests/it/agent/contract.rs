//! The contract of runtimes, over TLS: on the simulation here, on Docker in `docker::contract`.

use decnet_engine::testing::contract::Lab;

use super::stage::Stage;
use crate::runtime::simulate_with;

async fn remote_simulation(block: u8) -> Lab {
    let (lab, simulated) = simulate_with(block);
    let stage = Stage::new();
    let agent = stage.start(std::sync::Arc::new(simulated)).await;
    Lab {
        runtime: Box::new(stage.remote(agent.address)),
        ..lab
    }
}

mod remote {
    decnet_engine::runtime_contract!(super::remote_simulation);
}
