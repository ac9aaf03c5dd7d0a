use decnet_topology::{AgentRunId, HostRow, TopologyId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How long a host may be silent: three heartbeats. After that, nothing is known of it.
pub(crate) const SILENCE: SignedDuration = SignedDuration::from_secs(30);

/// What an agent reports with each heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct HostReport {
    /// The start of the agent that made it; none in a stored report of an earlier version.
    pub run: Option<AgentRunId>,
    /// When the agent made it, by its clock; none in a stored report of an earlier version. Of one start of an agent, a later report has a
    /// later time, also if the clock was set back meanwhile.
    pub made_at: Option<Timestamp>,
    /// The address of the agent: `host:port`.
    pub address: String,
    /// The topology that was pushed to it.
    pub topology: Option<TopologyId>,
    /// The canonical hash of that topology if all of it runs; otherwise empty.
    pub version_hash: String,
    /// The digest of what that topology uses of a catalogue, and of its settings.
    pub settings_digest: String,
    /// The highest generation of a lease that the agent has seen.
    pub generation: u64,
    /// The hashes of the authorities that it trusts.
    pub authorities: Vec<String>,
    /// How the host is.
    pub health: HostHealth,
}

impl HostReport {
    /// Reads the last report of a host; none if there is none, or if another version of decnet sent it.
    pub fn of(host: &HostRow) -> Option<Self> {
        serde_json::from_str(host.report.as_deref()?).ok()
    }
}

/// How a host is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct HostHealth {
    /// Whether its container runtime answers.
    pub answers: bool,
    /// The version of the runtime, or why it does not answer.
    pub detail: String,
    /// The number of processors.
    pub cpus: usize,
}
