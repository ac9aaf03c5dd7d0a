//! The runtime of another host, by its agent.
//!
//! Every call is a request over TLS. An agent that does not answer is
//! [`AgentUnreachable`](crate::RuntimeError::AgentUnreachable); the errors of its own runtime arrive as they are.

mod command;
mod faults;
pub(crate) mod messages;
mod options;
mod streams;
mod system;

pub use options::RemoteOptions;
pub use system::RemoteRuntime;
