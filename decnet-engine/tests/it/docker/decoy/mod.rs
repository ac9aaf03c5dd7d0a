//! Tests of the program in containers, controlled by the docker command.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a failed step must end the test, in helpers too")]

mod asking;
mod base;
mod changes;
mod containment;
mod faults;
mod lab;
mod multicast;
mod routing;
mod scan;
mod service;
