//! What should be on Docker for a topology: networks, containers, routes. Pure.

mod build;
mod spec;

pub use build::{Desired, DesiredError, Setting};
pub use spec::{
    BASE_CAPABILITIES, BaseSpec, Image, Interface, LOG_OPTIONS, Limits, NetworkSpec, PublishedPort, RESOLVER,
    ServiceSpec,
};
