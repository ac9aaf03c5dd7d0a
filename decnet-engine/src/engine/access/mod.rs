//! What a person does with a running decky: commands, probes, copies of files, captures of packets. Nothing here changes a maze.

mod answer;
mod ask;
mod capture;
mod collect;
mod copy;
mod error;
mod exec;
mod filter;
mod pcap;
mod report;
mod target;
mod unpack;
mod verb;

pub use answer::{DeckyAnswer, LanAddress};
pub use capture::{CaptureOptions, CapturePoint, CaptureReport, RunningCapture};
pub use collect::{CollectOptions, Collected, CommandEnd};
pub use copy::CopyOptions;
pub use error::AccessError;
pub use exec::{Entered, ExecChoices, ExecOptions};
pub use filter::{PacketFilter, PacketProtocol};
pub use report::CopyReport;
pub use verb::{DeckyVerb, VerbTarget};
