//! The clauses of [`crate::runtime`] on Docker.

use crate::docker::lab::docker_lab;

crate::runtime::clauses!(docker_lab, #[ignore = "needs Docker"]);
