//! What a test of an own runtime needs.

pub mod contract;
