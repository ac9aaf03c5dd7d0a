//! The Python binding of DECNET: the module `decnet._decnet`, on which the package `python/decnet` stands.
//!
//! It has no logic of its own: a call is turned into one of `decnet-topology` or `decnet-engine`, what comes back into Python's
//! objects, and an error into an exception of the tree under `DecnetError`. Documents go in and out as dicts.
//!
//! - **The interpreter's lock** is given back while Rust works: mazes are immutable, and everything else is behind a lock of its own.
//! - **What waits** (stores, Docker, events) is an `operation`: it runs on the threads of `runtime`, and whoever asked for it
//!   waits in the interpreter, looks for Ctrl-C meanwhile, and calls it off. A thread of the runtime never takes the interpreter's
//!   lock.
//! - **A fork** leaves these threads behind. So everything that holds some remembers its process, and refuses in another.

mod alloc;
mod argument;
mod catalog;
mod config;
mod convert;
mod document;
mod engine;
mod errors;
mod events;
mod finding;
mod generate;
mod model;
mod module;
mod mutation;
mod network;
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
mod simulated;
mod tree;
mod validate;
mod workbench;
