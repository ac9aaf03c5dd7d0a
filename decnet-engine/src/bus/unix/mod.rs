//! Fan-out between processes, over a Unix socket.
//!
//! [`Server`] serves the socket, [`UnixBus`] is a [`Bus`](super::Bus) on it that comes and goes with the server, and [`Connection`]
//! is one connection for who wants to know when it ends.
//!
//! # The protocol
//!
//! Both sides send frames: a line `VERB[ args]` of at most 4096 bytes of UTF-8, ended by a line feed; the length of the body, four
//! bytes, the most significant first; the body, JSON of at most 1 MiB.
//!
//! | frame | from | body | means |
//! |---|---|---|---|
//! | `HELLO 1` | both, first | `{"name": …}` | who speaks, in version 1 of the protocol |
//! | `PUB topic` | client | an envelope | hand this out |
//! | `SUB pattern` | client | `{}` | send what matches; answered by the same frame once that holds |
//! | `UNSUB pattern` | client | `{}` | send it no more |
//! | `EVT topic` | server | an envelope | this was published |
//! | `EVT lagged` | server | `{"lost": n}` | here `n` events were lost, because this connection was not read fast enough |
//! | `BYE` | both, last | `{"reason": …}` | why the connection is closed |
//!
//! What is no frame, or makes no sense where it comes, ends its connection and no other.

mod client;
mod connection;
mod frame;
mod server;
mod socket;

pub use client::UnixBus;
pub use connection::{Connection, ConnectionError};
pub use frame::{Frame, FrameCodec, FrameError, MAX_BODY, MAX_HEADER, Verb};
pub use server::Server;
pub use socket::BindError;

/// The version of the protocol.
const PROTOCOL: &str = "1";
