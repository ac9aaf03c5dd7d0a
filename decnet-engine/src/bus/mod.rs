//! Fan-out of events.

pub mod local;
