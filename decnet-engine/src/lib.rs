//! Raises mazes of decoy hosts on Docker, changes them while they run, and takes them down without a trace.

pub mod api;
pub mod bus;
pub mod compose;
pub mod decoy;
pub mod desired;
pub mod engine;
pub mod event;
pub mod execute;
pub mod host;
mod lease;
pub mod naming;
pub mod observe;
pub mod plan;
pub mod runtime;
