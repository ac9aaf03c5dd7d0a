//! Agents: the runtime of another host over TLS, on loopback.

mod contract;
mod faults;
mod following;
mod joining;
mod masters;
mod orphans;
mod pushing;
mod relay;
mod renewing;
pub(crate) mod stage;
mod whole;
