//! Examples of embedding DECNET: programs in `rust/`, maze files in `mazes/`.
//!
//! - `cargo run --example generate` draws a maze and prints it as a maze file.
//! - `cargo run --example plan_without_docker` reads a maze file, checks it, and prints what a deploy would do.
//! - `cargo run --example own_repo` keeps mazes in a store of one's own, which its tests hold to the contract of all stores.
//! - `cargo run --example deploy_and_watch` raises a maze on Docker, prints every event, and takes it down.
//! - `cargo run --example mutate_while_it_runs` changes a maze on the simulated runtime, with the loop beside it.

pub mod audited;

/// Has the code of the documents compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/embedding.md")]
pub struct Documents;
