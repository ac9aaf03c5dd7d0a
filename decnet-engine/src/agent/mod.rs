//! The agent of a host: it serves the runtime of the host to masters, and applies topologies that they push.
//!
//! [`serve`] listens with mutual TLS and accepts certificates of masters only. A request has the version of the protocol in a
//! header, and the agent refuses other versions. Actions, pushes and teardowns also have the lease of their master in headers. The agent
//! refuses one whose generation is lower than the highest it has seen of that topology: then another master has taken over.
//!
//! A push stores one topology in the engine's store and deploys it. Starting an agent deploys nothing and does not ask the runtime.
//!
//! With [`AgentOptions::orphan_after`], an agent that no master answers any more removes what masters made on its host.
//!
//! An agent whose host was revoked ends with [`AgentError::Revoked`].

mod backoff;
mod collecting;
mod command;
mod contact;
pub(crate) mod error;
pub(crate) mod folder;
mod generations;
mod heartbeat;
mod instances;
pub(crate) mod join;
pub(crate) mod options;
mod orphans;
mod revoked;
mod runtime;
mod serving;
mod shared;
mod streams;
mod topologies;

pub(crate) use error::{AgentError, HostRemains};
pub(crate) use folder::{AgentFolder, AgentPlace};
pub use join::join;
pub(crate) use options::{AgentLogs, AgentMaster, AgentOptions};
pub use serving::serve;

#[cfg(test)]
mod tests;
