//! What visitors do, collected from the logs of all containers.

mod collector;
mod cursor;
mod entry;
mod format;
mod handle;
mod maze;
mod muted;
mod options;
mod source;

pub use self::{
    cursor::{LogCursor, LogCursorError},
    entry::{LogContent, LogEntry, LogItem},
    format::LogFormat,
    handle::Logs,
    muted::{Muted, MutedError},
    options::LogOptions,
};
