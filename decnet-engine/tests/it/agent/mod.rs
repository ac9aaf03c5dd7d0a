//! Agents: the runtime of another host over TLS, on loopback.

mod contract;
mod faults;
mod joining;
mod masters;
mod orphans;
mod pushing;
mod relay;
pub(crate) mod stage;
mod whole;
