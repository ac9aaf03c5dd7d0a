//! The desired state on Docker of a topology: networks, containers, routes. Pure.

mod bounds;
mod bridge;
mod build;
mod builtin;
mod changed;
mod context;
mod digest;
mod fleet;
mod limits;
mod mac;
mod persona;
mod redirects;
mod seccomp;
mod spec;
mod sysctls;

#[cfg(feature = "docker")]
pub(crate) use bounds::in_memory;
pub(crate) use bounds::{NO_CORE, OOM_SCORE, PER_USER, SCRATCH, folder_options};
pub(crate) use bridge::bridge_options;
pub use build::{Desired, DesiredError};
pub(crate) use changed::{changed_fields, changed_spec_fields};
pub use context::DesiredContext;
pub use fleet::{DesiredFleet, DesiredMember};
pub use seccomp::{Seccomp, seccomp_profile};
pub(crate) use spec::{BASE_CAPABILITIES, NOBODY, RESOLVER};
pub use spec::{
    BaseSpec, ImageSpec, InterfaceSpec, Limits, LinkSpec, LogSpec, NetworkReach, NetworkSpec, PortMapping, RunAs,
    ServiceNetwork, ServiceSpec, Sysctls, VolumeSpec,
};
