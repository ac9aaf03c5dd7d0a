//! Tests of the core's public API.
#![expect(
    clippy::disallowed_methods,
    reason = "tests read files, keep time and start processes; the core does not"
)]

mod alloc;
mod analysis;
mod catalog;
mod config;
mod document;
mod document_place;
mod document_value;
mod excerpt;
mod folders_in_memory;
mod generate;
mod graph;
mod hash;
mod history;
mod layout;
mod model;
mod mutation;
mod personas;
mod place;
mod repo;
mod shuffles;
mod special;
mod status;
mod strategies;
mod surroundings;
mod validate;
mod vectors;
mod volumes;
