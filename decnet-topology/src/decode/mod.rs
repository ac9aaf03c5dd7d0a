//! The decoder of maze files, configs, catalogues and mutations: a tree of values, and typed reads that record every fault with
//! its place.
//!
//! A [`Value`] is built from JSON, YAML, TOML or from a `serde_json::Value`. [`At`] is a value and its path. Its methods return
//! the expected value, or record a [`Fault`] in the [`Diagnostics`] and return nothing, so that reading continues. Each format
//! converts faults to its own kind of error.

mod at;
mod diagnostics;
mod fault;
mod text;
mod value;

pub(crate) use self::{
    at::{At, Fields},
    diagnostics::{Diagnostics, Fault, Lines, Problem, line_and_column},
    text::{TextError, json, toml, utf8, yaml},
    value::Value,
};

/// The longest text, in bytes: 64 MiB.
pub(crate) const MAX_BYTES: usize = 64 << 20;

/// The largest number of values. It keeps the tree of a hostile text below half a gigabyte.
pub(crate) const MAX_VALUES: usize = 4_000_000;

/// The deepest nesting of lists and maps; the outermost is the first level.
pub(crate) const MAX_DEPTH: usize = 64;
