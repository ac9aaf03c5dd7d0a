//! Fan-out between processes, over a Unix socket.
//!
//! [`Server`] serves the socket. [`UnixBus`] is a [`Bus`](super::Bus) on it that reconnects when the server restarts.
//! [`Connection`] is a single connection that reports when it ends.
//!
//! # The protocol
//!
//! Both sides send frames. A frame is a line `VERB[ args]` of at most 4096 bytes of UTF-8 with a line feed, then the length of
//! the body as four bytes, most significant first, then the body: JSON of at most 1 MiB.
//!
//! | frame | from | body | meaning |
//! |---|---|---|---|
//! | `HELLO 1` | both, first | `{"name": …}` | introduces the sender; version 1 of the protocol |
//! | `PUB topic` | client | an envelope | publish this |
//! | `SUB pattern` | client | `{}` | subscribe; the server answers with the same frame when the subscription is active |
//! | `UNSUB pattern` | client | `{}` | unsubscribe |
//! | `EVT topic` | server | an envelope | a published event |
//! | `EVT lagged` | server | `{"lost": n}` | `n` events were lost here because this connection was read too slowly |
//! | `BYE` | both, last | `{"reason": …}` | why the connection is closed |
//!
//! An invalid or unexpected frame closes its connection and no other.

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
