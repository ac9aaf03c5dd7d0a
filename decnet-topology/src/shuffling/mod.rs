//! Which services a shuffled decky gets, and whether the rules fit a maze.

mod check;
mod draw;

pub use check::check_shuffles;
pub use draw::{NotShuffled, shuffle_rule, shuffled_services};
