//! Captures of packets, written as a pcap file.

use std::{fmt, io::Write, str::FromStr, time::Duration};

use decnet_topology::{Name, NameError, NetworkPlace, Topology, TopologyId, UnknownPart};
use futures_util::StreamExt as _;
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::{
    AccessError, PacketFilter,
    pcap::{write_header, write_packet},
    target::RunningMaze,
};
use crate::{
    engine::{Engine, EngineError},
    naming::MazeNames,
    runtime::{Capture, CapturePlace, CaptureRequest},
};

/// The default number of bytes kept of a packet: all.
const SNAP_LENGTH: u32 = 262_144;
/// How often packets that wait are written.
const FLUSH: Duration = Duration::from_millis(200);
/// A wait without an end.
const FOREVER: Duration = Duration::from_hours(365 * 24);

/// Where to capture: `office` is a LAN, `web-01` all interfaces of a decky, and `web-01.office` its interface in a LAN.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CapturePoint {
    /// The LAN or the decky. If both have the name, it is the LAN.
    pub name: Name,
    /// The LAN of a decky's interface.
    pub lan: Option<Name>,
}

impl FromStr for CapturePoint {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (name, lan) = match text.split_once('.') {
            Some((name, lan)) => (name, Some(Name::new(lan)?)),
            None => (text, None),
        };
        Ok(Self {
            name: Name::new(name)?,
            lan,
        })
    }
}

impl fmt::Display for CapturePoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.lan {
            Some(lan) => write!(f, "{}.{lan}", self.name),
            None => write!(f, "{}", self.name),
        }
    }
}

/// The options of a capture.
#[derive(Debug, Clone)]
#[must_use]
#[non_exhaustive]
pub struct CaptureOptions {
    /// Where to capture.
    pub point: CapturePoint,
    /// The number of packets after which it ends; none for no limit.
    pub count: Option<u64>,
    /// The time after which it ends; none for no limit.
    pub duration: Option<Duration>,
    /// How many bytes of a packet are kept. The default is 262 144, which is all of it.
    pub snap_length: u32,
    /// Which packets are kept.
    pub filter: PacketFilter,
}

impl CaptureOptions {
    /// Returns the options of a capture of all packets.
    pub fn new(point: CapturePoint) -> Self {
        Self {
            point,
            count: None,
            duration: None,
            snap_length: SNAP_LENGTH,
            filter: PacketFilter::default(),
        }
    }

    /// Ends it after a number of packets.
    pub fn count(mut self, count: impl Into<Option<u64>>) -> Self {
        self.count = count.into();
        self
    }

    /// Ends it after a time.
    pub fn duration(mut self, duration: impl Into<Option<Duration>>) -> Self {
        self.duration = duration.into();
        self
    }

    /// Sets how many bytes of a packet are kept.
    pub fn snap_length(mut self, bytes: u32) -> Self {
        self.snap_length = bytes.clamp(1, SNAP_LENGTH);
        self
    }

    /// Sets which packets are kept.
    pub fn filter(mut self, filter: PacketFilter) -> Self {
        self.filter = filter;
        self
    }
}

/// The result of a capture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct CaptureReport {
    /// The interface on the machine or in the decky.
    pub interface: String,
    /// The number of packets that were written.
    pub captured: u64,
    /// The number of packets that the filter left out.
    pub left_out: u64,
    /// The number of packets that the kernel dropped, as of the last packet.
    pub dropped: u64,
}

/// A capture that has begun. Packets wait in the kernel until [`write`](Self::write) reads them.
#[derive(Debug)]
#[must_use = "nothing is written yet"]
pub struct RunningCapture {
    capture: Capture,
    options: CaptureOptions,
}

impl RunningCapture {
    /// Returns the interface.
    pub fn interface(&self) -> &str {
        &self.capture.interface
    }

    /// Writes the packets as a pcap file, until the limit of packets or time is reached or `cancel` fires.
    ///
    /// What was written is a valid file at any time: the header comes first, and packets are written whole.
    ///
    /// # Errors
    ///
    /// [`AccessError::Output`] if the writer fails, and the errors of the runtime.
    pub async fn write(
        self,
        mut writer: impl Write + Send,
        cancel: &CancellationToken,
    ) -> Result<CaptureReport, EngineError> {
        let Self { capture, options } = self;
        let mut report = CaptureReport {
            interface: capture.interface,
            captured: 0,
            left_out: 0,
            dropped: 0,
        };
        let mut packets = capture.packets;
        let unwritten = |source| AccessError::Output { source };
        write_header(&mut writer, options.snap_length)
            .and_then(|()| writer.flush())
            .map_err(unwritten)?;
        let now = Instant::now();
        let limit = options.duration.and_then(|duration| now.checked_add(duration));
        let end = limit.unwrap_or_else(|| now + FOREVER);
        let mut flush = interval(FLUSH);
        flush.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while options.count.is_none_or(|count| report.captured < count) {
            let packet = tokio::select! {
                biased;
                () = cancel.cancelled() => break,
                () = sleep_until(end) => break,
                _ = flush.tick() => {
                    writer.flush().map_err(unwritten)?;
                    continue;
                }
                packet = packets.next() => packet,
            };
            let Some(packet) = packet.transpose()? else { break };
            report.dropped = packet.dropped;
            if options.filter.keeps(&packet.data) {
                write_packet(&mut writer, &packet).map_err(unwritten)?;
                report.captured += 1;
            } else {
                report.left_out += 1;
            }
        }
        writer.flush().map_err(unwritten)?;
        Ok(report)
    }
}

impl Engine {
    /// Starts to capture the packets of a LAN or of a decky. This needs a daemon on this machine, and root.
    ///
    /// # Errors
    ///
    /// [`RuntimeError::NotCapturable`](crate::runtime::RuntimeError::NotCapturable) if this process may not, with a command that
    /// does the same; [`EngineError::Part`] if the maze has no such LAN or decky.
    pub async fn capture(&self, id: TopologyId, options: CaptureOptions) -> Result<RunningCapture, EngineError> {
        let point = &options.point;
        let find = |maze: &Topology| maze.find_network_place(&point.name, point.lan.as_ref()).map(|_| ());
        let maze = self.running_maze(id, "captured", find).await?;
        let request = CaptureRequest {
            instance: maze.instance,
            place: place(&maze, &options.point)?,
            snap_length: options.snap_length,
        };
        let capture = maze.runtime.capture(request).await?;
        Ok(RunningCapture { capture, options })
    }
}

/// Finds the network or the base.
fn place(maze: &RunningMaze, point: &CapturePoint) -> Result<CapturePlace, UnknownPart> {
    let names = MazeNames::of(&maze.stored.row);
    let found = maze
        .stored
        .topology
        .find_network_place(&point.name, point.lan.as_ref())?;
    let (decky, address) = match found {
        NetworkPlace::Lan(lan) => return Ok(CapturePlace::Network(names.network(lan))),
        NetworkPlace::Interface(decky, attachment) => (decky, Some(attachment.ip)),
        NetworkPlace::Decky(decky) => (decky, None),
        _ => {
            let (name, hint) = (point.name.clone(), String::new());
            return Err(UnknownPart::Place { name, hint });
        }
    };
    Ok(CapturePlace::Base {
        base: names.base(decky),
        address,
    })
}
