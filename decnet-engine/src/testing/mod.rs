//! Support for tests: the contract for runtimes, and plans without a store.

pub mod contract;
mod oracle;

pub use oracle::diff;
