//! Agents: the runtime of another host over TLS, on loopback.

mod contract;
mod faults;
mod joining;
mod pushing;
pub(crate) mod stage;
