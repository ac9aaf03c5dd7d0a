//! The state of a topology on the runtime: inspected from outside, verified from inside its deckies.

pub(super) mod containers;
mod deckies;
pub(super) mod describe;
mod expectation;
mod host;
mod inspect;
mod interfaces;
mod published;
mod report;
mod services;
mod sources;

pub use inspect::{DeckyState, Inspection, InterfaceState, Observation, ServiceState};
pub use report::{InsideOnly, PathEnd, Reach, ReachDeviation, SkippedPath, VerifyReport};
