//! Agents: the runtime of another host over TLS, on loopback.

mod beats;
mod contract;
mod faults;
mod following;
mod joining;
mod limits;
mod lost;
mod masters;
mod one_way;
mod orphans;
mod play;
mod pushing;
mod relay;
mod renewing;
mod revoked;
mod slow;
pub(crate) mod stage;
mod two_loops;
mod whole;
mod wired;
