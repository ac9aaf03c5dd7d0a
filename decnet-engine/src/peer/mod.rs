//! HTTP between masters and agents: the client, the headers, and streams.

mod client;
mod error;
mod faults;
mod frames;
mod protocol;

pub use client::check_address;
pub(crate) use client::{PeerClient, PeerOptions};
pub use error::PeerError;
pub(crate) use frames::{Frame, FrameCodec, FrameKind, Frames};
pub(crate) use protocol::{
    ALIVE, CERTIFICATE_REFUSED, FRAMES, GENERATION, LONGEST, PROTOCOL, PROTOCOL_HEADER, SILENCE, STORE, TOPOLOGY,
};
