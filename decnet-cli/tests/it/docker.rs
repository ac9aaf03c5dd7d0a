//! On a Docker daemon.
