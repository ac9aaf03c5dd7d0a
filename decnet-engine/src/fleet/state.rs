use decnet_topology::HostRow;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::pushed::{HostReport, report::SILENCE};

/// The state of a host, from its row in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, strum::Display)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum HostState {
    /// It has just joined, and its agent has sent no heartbeat yet.
    Joined,
    /// Its agent and its container runtime answer.
    Ready,
    /// It is ready, and gets no more deckies.
    Drained,
    /// Its agent answers, and its container runtime does not.
    RuntimeDown,
    /// Three heartbeats are missing, perhaps all since it joined. Nothing of it is placed elsewhere. A master that still reaches its
    /// agent changes mazes there as before.
    Unreachable,
    /// Its certificates are refused.
    Revoked,
}

impl HostState {
    /// Returns the state of a host at a time, by the clock of its store ([`LeaseStore::now`](decnet_topology::LeaseStore::now)).
    pub fn of(host: &HostRow, at: Timestamp) -> Self {
        if host.revoked_at.is_some() {
            return Self::Revoked;
        }
        // The time of joining is by the clock of a master. Only hosts that joined with an earlier version have no other time.
        if at.duration_since(host.heard_at.unwrap_or(host.enrolled_at)) > SILENCE {
            return Self::Unreachable;
        }
        if host.report.is_none() {
            return Self::Joined;
        }
        match HostReport::of(host) {
            Some(report) if !report.health.answers => Self::RuntimeDown,
            _ if host.drained_at.is_some() => Self::Drained,
            _ => Self::Ready,
        }
    }
}

#[cfg(test)]
mod tests {
    use decnet_topology::{HostProfile, rng};
    use jiff::SignedDuration;

    use super::*;
    use crate::pushed::HostHealth;

    #[test]
    fn the_state_follows_heartbeats_health_and_what_an_operator_did() {
        let at = Timestamp::UNIX_EPOCH;
        let after = |seconds| at + SignedDuration::from_secs(seconds);
        let name = "east".parse().expect("a name");
        let mut host = HostRow::new(rng::host_id(), name, "192.0.2.7:1", HostProfile::default(), at);
        assert_eq!(HostState::of(&host, after(30)), HostState::Joined);
        assert_eq!(HostState::of(&host, after(31)), HostState::Unreachable);
        // The clock of the master was behind that of the store.
        host.heard_at = Some(after(3600));
        assert_eq!(HostState::of(&host, after(3630)), HostState::Joined);
        assert_eq!(HostState::of(&host, after(3631)), HostState::Unreachable);
        let mut report = HostReport {
            health: HostHealth {
                answers: true,
                ..HostHealth::default()
            },
            ..HostReport::default()
        };
        let text = |report: &HostReport| serde_json::to_string(report).ok();
        (host.heard_at, host.report) = (Some(at), text(&report));
        assert_eq!(HostState::of(&host, after(30)), HostState::Ready);
        assert_eq!(HostState::of(&host, after(31)), HostState::Unreachable);
        host.drained_at = Some(at);
        assert_eq!(HostState::of(&host, at), HostState::Drained);
        report.health.answers = false;
        host.report = text(&report);
        assert_eq!(HostState::of(&host, at), HostState::RuntimeDown);
        host.revoked_at = Some(at);
        assert_eq!(HostState::of(&host, after(99)), HostState::Revoked);
    }
}
