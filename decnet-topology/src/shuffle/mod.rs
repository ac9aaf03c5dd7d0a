//! Rules of scheduled shuffles, and when one is due.

mod due;
mod rule;
mod rules;

pub use due::ShuffleKey;
pub use rule::{Shuffle, ShuffleError, ShuffleSource};
pub use rules::Shuffles;
