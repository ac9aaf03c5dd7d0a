//! Fan-out between processes, over a Unix socket.

mod client;
mod connection;
mod frame;
#[cfg(test)]
mod fuzz;
mod server;
mod socket;

pub use client::UnixBus;
pub use connection::{Connection, ConnectionError};
use frame::{Frame, FrameCodec, FrameError, Verb};
pub use server::Server;
pub use socket::BindError;

/// The version of the protocol.
const PROTOCOL: &str = "1";
