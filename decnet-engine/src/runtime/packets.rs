//! Packets of a LAN or of a decky.

use std::{fmt, net::Ipv4Addr};

use decnet_topology::InstanceId;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::RuntimeError;
use crate::naming::{ContainerName, NetworkName};

/// Which packets to capture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureRequest {
    /// The store that the network or the base belongs to.
    pub instance: InstanceId,
    /// Where to capture.
    pub place: CapturePlace,
    /// How many bytes of each packet to keep.
    pub snap_length: u32,
}

/// Where packets are captured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CapturePlace {
    /// The bridge of a network: each packet between its members once.
    Network(NetworkName),
    /// The interfaces of a base: the packets that it sends and receives. A router has each forwarded packet twice.
    Base {
        /// The base.
        base: ContainerName,
        /// The address of the interface; all interfaces if there is none.
        address: Option<Ipv4Addr>,
    },
}

/// A packet: an Ethernet frame. An intruder may control its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapturedPacket {
    /// When the kernel saw it.
    pub at: Timestamp,
    /// Its length on the wire.
    pub length: u32,
    /// Its first bytes.
    pub data: Vec<u8>,
    /// How many packets the kernel has dropped so far, because they were not read in time.
    pub dropped: u64,
}

/// A capture that has begun. It ends when it is dropped.
pub struct Capture {
    /// The interface, for people.
    pub interface: String,
    /// The packets.
    pub packets: BoxStream<'static, Result<CapturedPacket, RuntimeError>>,
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture")
            .field("interface", &self.interface)
            .finish_non_exhaustive()
    }
}
