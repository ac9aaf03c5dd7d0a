//! The examples run, and the maze files are clean.

mod contract;
mod mazes;
mod programs;
