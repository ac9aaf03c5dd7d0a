//! The command as people and scripts meet it: the real program, its words and its exit codes.

mod apply;
mod command;
mod docker;
mod events;
mod exit_codes;
mod files;
mod generate;
mod grammar;
mod mutate;
mod mutations;
mod past;
mod schema;
mod stored;
mod streams;
