//! Examples of embedding DECNET: programs in `rust/`, maze files in `mazes/`.
//!
//! - `cargo run --example generate` generates a maze and prints it as a maze file.
//! - `cargo run --example plan_without_docker` reads a maze file, validates it, and prints the steps of a deploy.
//! - `cargo run --example own_repo` keeps mazes in a custom store, whose tests run the contract of all stores.
//! - `cargo run --example deploy_and_watch` deploys a maze on Docker, prints every event, and tears it down.
//! - `cargo run --example mutate_while_it_runs` changes a maze on the simulated runtime while the loop runs.

pub mod audited;

/// Compiles and runs the code in the documents.
#[cfg(doctest)]
#[doc = include_str!("../../docs/embedding.md")]
pub struct Documents;
