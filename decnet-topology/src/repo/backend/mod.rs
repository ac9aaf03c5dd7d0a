//! The transactions of a repo, written once for all backends.
//!
//! A [`Backend`] runs a transaction; within it, [`Tables`] reads and writes rows. Everything else is here and in
//! [`rules`](super::rules): the three traits of the repo are implemented for every backend, by subject.
//!
//! A transaction makes all its refusals before its first write. So a backend that cannot roll back, as the one in memory, is
//! left as it was all the same.

mod leases;
mod queue;
mod tables;
mod topologies;

pub(super) use tables::{Backend, Tables};
#[cfg(test)]
pub(super) use topologies::create;
