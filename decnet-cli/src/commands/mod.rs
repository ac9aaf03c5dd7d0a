//! What can be done: one file a command, each with its arguments and its `run`.

pub(crate) mod apply;
pub(crate) mod archetypes;
pub(crate) mod bus;
pub(crate) mod completions;
pub(crate) mod compose;
pub(crate) mod create;
pub(crate) mod db;
pub(crate) mod delete;
pub(crate) mod deploy;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod generate;
pub(crate) mod graph;
pub(crate) mod hash;
pub(crate) mod list;
pub(crate) mod next_ip;
pub(crate) mod next_subnet;
pub(crate) mod plan;
pub(crate) mod reap;
pub(crate) mod reconcile;
pub(crate) mod schema;
pub(crate) mod services;
pub(crate) mod show;
pub(crate) mod teardown;
pub(crate) mod validate;
