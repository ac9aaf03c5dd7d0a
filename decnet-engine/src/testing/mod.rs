//! Support for tests: the contract for runtimes, plans without a store, and a target of the fuzzer.

pub mod contract;
mod oracle;

pub use oracle::diff;

pub use crate::logs::log_formats;
