//! The master's side of a fleet: how hosts join, and what their agents report.
//!
//! A host joins with a [`JoinToken`], which its name is bound to and which works once, within 15 minutes. The token has the hash of the
//! authority, so the agent knows whom it speaks to before it sends the secret. Then the agent has a certificate and sends a heartbeat
//! every ten seconds; the answer renews the certificate when two thirds of its life are over.
//!
//! [`serve`] is the listener for agents. Everything is in the repo: the authority, tokens, hosts and their last reports. So several
//! masters with one database are one fleet, and none of them has files of its own.

mod authority;
pub(crate) mod error;
mod following;
pub(crate) mod inviting;
pub(crate) mod master;
pub(crate) mod mazes;
pub(crate) mod messages;
pub(crate) mod rotation;
mod runs;
pub(crate) mod secure;
mod serving;
pub(crate) mod state;
pub(crate) mod store_fleet;
pub(crate) mod summary;
pub(crate) mod token;
pub(crate) mod topologies;

pub(crate) use error::FleetError;
pub(crate) use master::{FleetMaster, FleetOptions};
pub use serving::serve;
pub(crate) use store_fleet::StoreFleet;
pub(crate) use token::JoinToken;

#[cfg(test)]
mod tests;
