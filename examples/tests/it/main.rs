//! The examples run, and the maze files are clean.
#![expect(
    clippy::unwrap_used,
    reason = "a failed step of a test ends the test, in what the tests share too"
)]

mod contract;
mod mazes;
mod programs;
