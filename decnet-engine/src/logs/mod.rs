//! What visitors do, collected from the logs of all containers.

mod collector;
mod cursor;
mod entry;
mod handle;
mod maze;
mod muted;
mod options;
mod source;

pub use self::{
    cursor::LogCursor,
    entry::{LogContent, LogEntry, LogItem},
    handle::Logs,
    muted::{Muted, MutedError},
    options::LogOptions,
};
