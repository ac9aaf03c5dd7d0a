//! The contract of runtimes, on Docker.

use crate::docker::lab::docker_lab;

decnet_engine::runtime_contract!(docker_lab, #[ignore = "needs Docker"]);
