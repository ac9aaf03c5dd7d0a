//! The decoder of maze files, configs and mutations: a tree of values, and typed reads of it that note every fault with its place.
//!
//! A [`Value`] is built from JSON, from YAML or from a `serde_json::Value`. [`At`] is a value and the path to it. Its methods
//! return what was expected, or note a [`Fault`] in the [`Diagnostics`] and return nothing, so that the rest is still read.
//! Each format turns faults into its own kind of error.

mod at;
mod diagnostics;
mod text;
mod value;

pub(crate) use self::{
    at::{At, Fields},
    diagnostics::{Diagnostics, Fault, Problem, line_and_column},
    text::{TextError, json, yaml},
    value::Value,
};

/// The longest text, in bytes: 64 MiB.
pub(crate) const MAX_BYTES: usize = 64 << 20;

/// The largest number of values, so that the tree of a hostile text stays below half a gigabyte.
pub(crate) const MAX_VALUES: usize = 4_000_000;

/// The deepest nesting of lists and maps, the outermost being the first level.
pub(crate) const MAX_DEPTH: usize = 64;
