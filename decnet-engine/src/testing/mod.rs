//! What tests need: the suite that any runtime must pass, and plans made without a store.

pub mod contract;
mod oracle;

pub use oracle::diff;
