//! The Python binding of DECNET: the module `decnet._decnet`, which the package `python/decnet` wraps.
//!
//! It has no logic of its own: a call becomes a call of `decnet-topology` or `decnet-engine`, the result becomes Python objects,
//! and an error becomes an exception of the tree under `DecnetError`. Documents go in and out as dicts.
//!
//! - **The interpreter's lock** is released while Rust works: mazes are immutable, and everything else has its own lock.
//! - **Calls that wait** (stores, Docker, events) are an `operation`: it runs on the threads of `runtime`. The caller waits in
//!   the interpreter, checks for Ctrl-C, and cancels it if needed. A thread of the runtime never takes the interpreter's lock.
//! - **A fork** does not have these threads. So every object that uses them remembers its process, and refuses to work in
//!   another.

mod access;
mod agent;
mod alloc;
mod argument;
mod catalog;
mod config;
mod convert;
mod document;
mod engine;
mod engine_access;
mod engine_store;
mod errors;
mod events;
mod finding;
mod follower;
mod forward;
mod generate;
mod hosts;
mod logs;
mod model;
mod module;
mod mutation;
mod network;
mod open_agent;
mod open_engine;
mod open_repo;
mod operation;
mod parts;
mod plan;
mod prepared;
mod queue;
mod repo;
mod report;
mod rows;
mod runtime;
mod service;
mod simulated;
mod store_place;
mod tree;
mod validate;
mod verification;
mod workbench;
