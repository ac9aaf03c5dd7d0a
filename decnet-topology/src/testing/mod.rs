//! What a test of an own repo needs.

pub mod contract;
pub mod strategies;
