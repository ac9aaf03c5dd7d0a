//! Fan-out between processes and machines, over a NATS server.

mod client;
mod recent;
mod subject;
mod url;

pub use client::NatsBus;
pub use url::{NatsUrl, NatsUrlError};
