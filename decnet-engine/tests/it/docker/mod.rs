//! Tests on a real daemon: that of `DOCKER_HOST`, else of the default socket.

mod contract;
mod daemon;
mod hardening;
mod lab;
mod network_facts;
