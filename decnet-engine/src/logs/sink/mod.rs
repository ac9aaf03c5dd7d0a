//! Where log items are written: files, syslog servers, webhooks and the store.

mod archive;
mod batch;
mod error;
mod options;
mod retry;
mod syslog;
mod target;
mod tls;
mod webhook;
mod writer;

pub use self::{
    error::LogTargetError,
    options::{LogWriterOptions, WebhookHeader},
    target::LogTarget,
    writer::LogWriter,
};
