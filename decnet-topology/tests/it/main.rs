//! The tests of the core, from outside.

mod catalog;
mod document;
mod hash;
mod status;
mod strategies;
mod surroundings;
mod validate;
mod vectors;
