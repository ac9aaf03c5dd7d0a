//! The program where it belongs: in containers, driven by the docker command.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    reason = "a failed step of a test ends the test, in its helpers too"
)]

mod asking;
mod base;
mod containment;
mod lab;
mod routing;
mod scan;
mod service;
