//! The program inside every decky, and the shapes in which the engine talks to it.
//!
//! A decky is a *base* container, which owns the network namespace, and one container per service. The default image of both
//! holds one static file, built from this package:
//!
//! - `decnet-decoy base` is PID 1 of a base: it sets what may leave, routes and forwarding, drops its capabilities, hands built-in
//!   services the sockets that they listen on, reports scans that no service sees, reaps, and leaves at once when told to;
//! - `decnet-decoy state set|keep|restore|check|show` runs in a base by `docker exec` and changes or reports what `base` has set;
//! - `decnet-decoy service` gets a service's sockets from its base, answers on them and says who came;
//! - `decnet-decoy probe` tells which addresses and ports can be reached from where it runs.
//!
//! [`protocol`] holds what goes in and out of these. The engine links that, and [`deviations_here`] to look at a base from outside.
//! The rest builds on Linux only.

pub mod protocol;

#[cfg(target_os = "linux")]
mod base;
#[cfg(target_os = "linux")]
mod change;
#[cfg(target_os = "linux")]
mod containment;
#[cfg(target_os = "linux")]
mod failure;
#[cfg(target_os = "linux")]
mod guard;
#[cfg(target_os = "linux")]
mod journal;
#[cfg(target_os = "linux")]
mod lines;
#[cfg(target_os = "linux")]
mod namespace;
#[cfg(target_os = "linux")]
mod netfilter;
#[cfg(target_os = "linux")]
mod netlink;
#[cfg(target_os = "linux")]
mod observed;
#[cfg(target_os = "linux")]
mod ports;
#[cfg(target_os = "linux")]
mod probe;
#[cfg(target_os = "linux")]
pub mod program;
#[cfg(target_os = "linux")]
mod scan;
#[cfg(target_os = "linux")]
mod service;
#[cfg(target_os = "linux")]
mod signals;
#[cfg(target_os = "linux")]
mod socket;
#[cfg(target_os = "linux")]
mod state;
#[cfg(target_os = "linux")]
mod state_file;
#[cfg(target_os = "linux")]
mod timestamp;

#[cfg(target_os = "linux")]
pub use namespace::has_nf_tables;
#[cfg(target_os = "linux")]
pub use state::deviations_here;

/// The folder of this package, from which the engine's build script builds the program.
pub const MANIFEST_DIR: &str = env!("CARGO_MANIFEST_DIR");
