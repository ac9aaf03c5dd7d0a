//! The runtime trait on a Docker daemon.
