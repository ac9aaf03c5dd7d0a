//! The loop that applies queued mutations and heals running mazes.

mod attackers;
mod dispatch;
mod resync;
mod schedule;
mod shuffles;
mod visit;

pub use dispatch::{WatchOptions, watch};
