//! The loop that applies queued mutations and heals running mazes.

mod dispatch;
mod schedule;
mod visit;

pub use dispatch::{WatchOptions, watch};
