//! Tests of the engine through its public face.

#[macro_use]
mod guarded;

mod bus;
mod digests;
#[cfg(feature = "docker")]
mod docker;
mod engine;
mod event;
mod feed;
mod plan;
mod runtime;
mod watch;
