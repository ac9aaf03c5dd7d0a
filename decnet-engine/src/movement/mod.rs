//! The ways of attackers through mazes, found from the logs.

mod handle;
mod mutations;
pub(crate) mod path;
mod tracker;

pub use tracker::AttackTracker;
