//! The paths of attackers through mazes, found from the logs.

mod handle;
mod mutations;
pub(crate) mod path;
mod presence;
mod process;
mod tracker;

pub use self::{handle::AttackPaths, tracker::AttackTracker};
