//! One operation on one topology: its lease, the facts that it depends on, its status, and the execution of its plan.

pub(in crate::engine) mod agent;
pub(super) mod execute;
pub(super) mod facts;
pub(super) mod hosts;
pub(super) mod lease;
mod lifecycle;
mod members;
pub(super) mod placing;
pub(super) mod status;
