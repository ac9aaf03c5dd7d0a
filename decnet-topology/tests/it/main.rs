//! The tests of the core, from outside.

mod catalog;
mod document;
mod hash;
mod status;
mod validate;
mod vectors;
