//! What visitors do, collected from the logs of all containers.

mod again;
mod agents;
mod collector;
mod cursor;
mod entry;
mod format;
mod forward;
mod handle;
mod maze;
pub(crate) mod muted;
mod options;
mod sink;
mod source;
mod stored;

#[cfg(feature = "testing")]
pub use self::format::log_formats;
pub use self::{
    cursor::{LogCursor, LogCursorError},
    entry::{LogContent, LogEntry, LogItem},
    format::LogFormat,
    forward::{Forwarded, LogOutput},
    handle::Logs,
    muted::{Muted, MutedError},
    options::LogOptions,
    sink::{LogTarget, LogTargetError, LogWriter, LogWriterOptions, WebhookHeader},
    stored::StoredLogs,
};
