//! Support for tests of custom repos.

pub mod contract;
pub mod strategies;
