use std::{collections::BTreeSet, net::Ipv4Addr};

use decnet_topology::{HostId, HostRow, Name, Repo};
use jiff::Timestamp;
use serde::Serialize;

use super::{FleetError, state::HostState};
use crate::pushed::HostReport;

/// A host as programs see it: its row with its state, as `decnet host list --json` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HostSummary {
    /// Its id.
    pub id: HostId,
    /// Its name.
    pub name: Name,
    /// Its state.
    pub state: HostState,
    /// The address of its agent: `host:port`.
    pub address: String,
    /// Its labels.
    pub labels: BTreeSet<Name>,
    /// The number of deckies on it.
    pub deckies: usize,
    /// The largest number of deckies on it.
    pub capacity: u32,
    /// Its address on the network that connects the hosts; none if it is unknown.
    pub underlay: Option<Ipv4Addr>,
    /// The MTU of that network, in bytes.
    pub mtu: u16,
    /// When it joined.
    pub enrolled_at: Timestamp,
    /// Since when it gets no more deckies.
    pub drained_at: Option<Timestamp>,
    /// Since when its certificates are refused.
    pub revoked_at: Option<Timestamp>,
    /// When its last heartbeat arrived; none if there was none since it joined.
    pub heard_at: Option<Timestamp>,
    /// What that said.
    pub report: Option<HostReport>,
}

impl HostSummary {
    /// Describes a host at a time of the [clock of the store](decnet_topology::LeaseStore::now).
    #[must_use]
    pub fn new(host: &HostRow, deckies: usize, at: Timestamp) -> Self {
        Self {
            id: host.id,
            name: host.name.clone(),
            state: HostState::of(host, at),
            address: host.address.clone(),
            labels: host.profile.labels.clone(),
            deckies,
            capacity: host.profile.capacity,
            underlay: host.member().map(|member| member.underlay),
            mtu: host.profile.mtu,
            enrolled_at: host.enrolled_at,
            drained_at: host.drained_at,
            revoked_at: host.revoked_at,
            heard_at: host.last_heartbeat(),
            report: HostReport::of(host),
        }
    }
}

/// Finds a host that was not revoked by its name or its id.
///
/// # Errors
///
/// [`FleetError::NoHost`] if there is none, [`FleetError::Repo`] if the store does not answer.
pub async fn find_host(repo: &dyn Repo, text: &str) -> Result<HostRow, FleetError> {
    let hosts = repo.hosts().await?;
    let (revoked, hosts): (Vec<_>, Vec<_>) = hosts.into_iter().partition(|host| host.revoked_at.is_some());
    let is_meant = |host: &HostRow| host.name.as_str().eq_ignore_ascii_case(text) || host.id.to_string() == text;
    let is_revoked = revoked.iter().any(is_meant);
    hosts.into_iter().find(is_meant).ok_or_else(|| FleetError::NoHost {
        name: text.into(),
        is_revoked,
    })
}
