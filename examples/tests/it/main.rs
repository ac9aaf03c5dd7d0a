//! The examples run, and the maze files are valid.
#![expect(clippy::unwrap_used, reason = "a failed step must end the test, in helpers too")]

mod contract;
mod embedding;
mod mazes;
mod programs;
mod public_images;
