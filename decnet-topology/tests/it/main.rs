//! The behaviour of the core, seen from outside.

mod alloc;
mod config;
mod generate;
mod graph;
mod vectors;
