//! The program inside every decky, and the types of its JSON.
//!
//! A decky is a *base* container, which owns the network namespace, and one container per service. The default image of both
//! has one static file, built from this package:
//!
//! - `decnet-decoy base` is PID 1 of a base. It sets the containment, routes and forwarding, drops its capabilities, passes
//!   sockets to built-in services, reports scans that no service sees, reaps processes, and exits on a stop signal.
//! - `decnet-decoy state set|keep|restore|check|show` runs in a base by `docker exec`. It changes or reports the state.
//! - `decnet-decoy service` gets the sockets of services from its base, answers on them and logs visitors. It needs the feature
//!   `services`, which the engine enables only when it builds the program.
//! - `decnet-decoy link ensure|remove|list` runs in the network namespace of a host, in a short-lived container. It joins a bridge
//!   with those of other hosts by VXLAN.
//! - `decnet-decoy probe` reports which addresses and ports can be reached.
//!
//! [`protocol`] has the types of the input and output. The engine uses them, and [`deviations_here`] to check a base from
//! outside. Everything else is for Linux only.

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
mod kernel;
#[cfg(target_os = "linux")]
mod lines;
#[cfg(target_os = "linux")]
mod link;
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
#[cfg(all(target_os = "linux", feature = "services"))]
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
pub use link::{HostAddress, LinkUnderlay, host_addresses, link_underlays};
#[cfg(target_os = "linux")]
pub use namespace::has_nf_tables;
#[cfg(all(target_os = "linux", feature = "fuzzing"))]
pub use service::fuzzing;
#[cfg(target_os = "linux")]
pub use state::deviations_here;

/// The folder of this package. The engine's build script builds the program from it.
pub const MANIFEST_DIR: &str = env!("CARGO_MANIFEST_DIR");
