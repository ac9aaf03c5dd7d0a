//! Placeholder.

pub mod decoy;
