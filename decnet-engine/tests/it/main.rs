//! Tests of the engine through its public face.

#[cfg(feature = "docker")]
mod docker;
mod engine;
mod plan;
mod runtime;
