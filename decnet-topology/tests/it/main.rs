//! The behaviour of the core, seen from outside.

mod alloc;
mod catalog;
mod config;
mod document;
mod generate;
mod graph;
mod hash;
mod repo;
mod status;
mod strategies;
mod validate;
mod vectors;
