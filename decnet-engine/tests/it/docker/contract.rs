//! The contract of runtimes, on Docker.

use crate::docker::lab::docker_lab;

decnet_engine::runtime_contract!(docker_lab, #[ignore = "needs Docker"]);

/// By an agent, over TLS.
#[cfg(feature = "agent")]
mod by_an_agent {
    use std::sync::Arc;

    use decnet_engine::testing::contract::Lab;

    use crate::{
        agent::stage::Stage,
        docker::lab::{connect, docker_lab_with},
    };

    async fn remote_docker_lab(block: u8) -> Lab {
        let (lab, decoy) = docker_lab_with(block).await;
        let stage = Stage::new();
        let agent = stage.start(Arc::new(connect(&decoy).await)).await;
        Lab {
            runtime: Box::new(stage.remote(agent.address)),
            ..lab
        }
    }

    decnet_engine::runtime_contract!(remote_docker_lab, #[ignore = "needs Docker"]);
}
