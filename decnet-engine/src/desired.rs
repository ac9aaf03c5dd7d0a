//! What should be on Docker for a topology: networks, containers, routes. Pure.

mod build;
mod spec;

pub use build::{Desired, DesiredError, Setting};
pub use spec::{BaseSpec, Image, Interface, Limits, NetworkSpec, PublishedPort, ServiceSpec};
