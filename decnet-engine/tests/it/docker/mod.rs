//! Tests on a real daemon: that of `DOCKER_HOST`, or of the default socket.

mod contract;
mod daemon;
mod decoy;
mod hardening;
pub(crate) mod lab;
mod network_facts;
mod slow;
