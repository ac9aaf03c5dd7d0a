//! The command as people and scripts use it: the real program, its texts and its exit codes.

mod analysis;
mod apply;
mod catalogs;
mod command;
mod completion;
mod daily;
mod docker;
mod events;
mod exit_codes;
mod files;
mod generate;
mod grammar;
mod import;
mod init;
mod log_targets;
mod map;
mod mistakes;
mod mutate;
mod mutations;
mod past;
mod schema;
mod serving;
mod stored;
mod streams;
mod top;
mod walk;
