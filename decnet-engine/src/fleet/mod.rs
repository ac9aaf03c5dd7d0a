//! The master's side of a fleet: how hosts join, and what their agents report.
//!
//! A host joins with a [`JoinToken`], which its name is bound to and which works once, within 15 minutes. The token has the hash of the
//! authority, so the agent knows whom it speaks to before it sends the secret. Then the agent has a certificate and sends a heartbeat
//! every ten seconds; the answer renews the certificate when two thirds of its life are over.
//!
//! [`serve`] is the listener for agents. [`Enrolments`] and [`Hosts`] are what it stores, as traits; [`MemoryHosts`] has both.

mod beat;
mod enrolments;
mod error;
mod hosts;
mod master;
mod memory;
pub(crate) mod messages;
pub(crate) mod push;
pub(crate) mod secure;
mod serving;
mod token;

pub use beat::{HostHealth, HostReport};
pub use enrolments::{Enrolment, Enrolments};
pub use error::FleetError;
pub use hosts::{EnrolledHost, Hosts};
pub use master::{Fleet, FleetOptions};
pub use memory::MemoryHosts;
pub use push::{AgentState, AppliedTopology, RemoteTopologies, TopologyPush};
pub use serving::serve;
pub use token::JoinToken;

#[cfg(test)]
mod tests;
