//! The behaviour of the core, seen from outside.

mod alloc;
mod generate;
mod graph;
mod vectors;
