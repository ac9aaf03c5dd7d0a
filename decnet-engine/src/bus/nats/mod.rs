//! Fan-out between processes and machines, over a NATS server.

mod client;
mod follower;
mod recent;
mod shared;
mod subject;
mod url;

pub use client::NatsBus;
pub use url::{NatsUrl, NatsUrlError};
