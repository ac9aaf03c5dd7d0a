//! The transactions of a repo, written once for all backends.
//!
//! A [`Backend`] runs a transaction; inside it, [`Tables`] reads and writes rows. Everything else is here and in
//! [`rules`](super::rules), which implement the traits of the repo for every backend.
//!
//! A transaction makes all its refusals before its first write. So a backend without rollback, such as the one in memory, is
//! unchanged after a refusal.

mod change_log;
mod hosts;
mod leases;
mod queue;
mod tables;
mod topologies;
mod visits;

pub(super) use tables::{Backend, Tables};
#[cfg(test)]
pub(super) use topologies::create;
