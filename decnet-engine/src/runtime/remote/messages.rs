//! The messages between [`RemoteRuntime`](crate::RemoteRuntime) and an agent. A change of one increases the version of the protocol.

use std::collections::BTreeSet;

use decnet_decoy::protocol::Probe;
use decnet_topology::{ImageSource, InstanceId, TopologyId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    desired::BaseSpec,
    naming::ContainerName,
    observe::{Observed, Scope},
    plan::Action,
    runtime::{CapturedPacket, RuntimeError},
};

pub(crate) const OBSERVE: &str = "/runtime/observe";
pub(crate) const PERFORM: &str = "/runtime/perform";
pub(crate) const PROBE: &str = "/runtime/probe";
pub(crate) const LOG: &str = "/runtime/log";
pub(crate) const COPY: &str = "/runtime/copy";
pub(crate) const COMMAND: &str = "/runtime/command";
pub(crate) const CAPTURE: &str = "/runtime/capture";

pub(crate) const APPLY: &str = "/topology/apply";
pub(crate) const TEARDOWN: &str = "/topology/teardown";
pub(crate) const STATE: &str = "/topology/state";
pub(crate) const PUSHED: &str = "/topology/pushed";

/// The protocol of a connection that carries a command.
pub(crate) const COMMAND_PROTOCOL: &str = "decnet-command";

/// Tears down one topology, if the agent has it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct TeardownRequest {
    pub(crate) topology: TopologyId,
}

/// What a master wants to know.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "observe", rename_all = "snake_case")]
pub(crate) enum ObserveRequest {
    Info,
    List { scope: Scope },
    Inspect { scope: Scope },
    NameInterfaces { observed: Box<Observed> },
    Machine,
    ForeignNetworks { instance: InstanceId },
    UnavailableImages { images: BTreeSet<ImageSource> },
    CheckNetwork { bases: Vec<BaseSpec> },
}

/// An action to perform.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PerformRequest {
    pub(crate) instance: InstanceId,
    pub(crate) action: Action,
}

/// A probe to send.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ProbeRequest {
    pub(crate) instance: InstanceId,
    pub(crate) base: ContainerName,
    pub(crate) probe: Probe,
}

/// How a command ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CommandExit {
    pub(crate) code: Result<i64, RuntimeError>,
}

/// Writes a packet as 8 bytes with its time in nanoseconds, 4 with its length, 8 with the number of dropped packets, and its data; all
/// numbers big-endian.
pub(crate) fn write_packet(packet: &CapturedPacket) -> Vec<u8> {
    let at = i64::try_from(packet.at.as_nanosecond()).unwrap_or(i64::MAX);
    let mut bytes = Vec::with_capacity(20 + packet.data.len());
    bytes.extend_from_slice(&at.to_be_bytes());
    bytes.extend_from_slice(&packet.length.to_be_bytes());
    bytes.extend_from_slice(&packet.dropped.to_be_bytes());
    bytes.extend_from_slice(&packet.data);
    bytes
}

/// Reads a packet; none if it is too short.
pub(crate) fn read_packet(bytes: &[u8]) -> Option<CapturedPacket> {
    let (at, rest) = bytes.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (dropped, data) = rest.split_first_chunk()?;
    Some(CapturedPacket {
        at: Timestamp::from_nanosecond(i64::from_be_bytes(*at).into()).ok()?,
        length: u32::from_be_bytes(*length),
        dropped: u64::from_be_bytes(*dropped),
        data: data.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_survives_and_a_cut_one_is_refused() {
        let packet = CapturedPacket {
            at: "2026-11-28T16:00:00.123456789Z".parse().expect("a time"),
            length: 1500,
            data: vec![1, 2, 3],
            dropped: 1 << 40,
        };
        let bytes = write_packet(&packet);
        assert_eq!(read_packet(&bytes), Some(packet));
        assert_eq!(read_packet(&bytes[..19]), None);
    }
}
