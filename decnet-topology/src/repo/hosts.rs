use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddrV4},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    id::{EnrolmentId, HostId},
    name::Name,
    place::{LEAST_UNDERLAY_MTU, Member, is_reachable},
};

/// What an operator says of a host when it joins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[must_use]
#[non_exhaustive]
pub struct HostProfile {
    /// Its labels. Gateways are placed only on hosts labelled [`public`](Member::PUBLIC).
    pub labels: BTreeSet<Name>,
    /// The largest number of deckies on it. The default is 250.
    pub capacity: u32,
    /// Its address on the network that connects the hosts; none for the address of its agent.
    pub underlay: Option<Ipv4Addr>,
    /// The MTU of that network, in bytes. The default is 1 500.
    pub mtu: u16,
}

/// Why a host cannot have a profile.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostProfileError {
    /// It could have no decky.
    #[error("a host with a capacity of 0 could have no decky; to keep deckies away from a host, drain it")]
    Capacity,
    /// Other hosts cannot send packets to its address.
    #[error(
        "other hosts cannot send packets to {underlay}; the underlay is a unicast address of a network interface of the host"
    )]
    Underlay {
        /// The address.
        underlay: Ipv4Addr,
    },
    /// LANs on several hosts would have an MTU that is too small for IPv4.
    #[error("an MTU of {mtu} is too small: LANs on several hosts need at least {LEAST_UNDERLAY_MTU}")]
    Mtu {
        /// The MTU, in bytes.
        mtu: u16,
    },
}

impl HostProfileError {
    /// Returns a stable code for programs.
    pub const fn code(&self) -> &'static str {
        "host_profile"
    }
}

impl Default for HostProfile {
    fn default() -> Self {
        Self {
            labels: BTreeSet::new(),
            capacity: 250,
            underlay: None,
            mtu: 1500,
        }
    }
}

impl HostProfile {
    /// Checks whether a host can have it.
    ///
    /// # Errors
    ///
    /// [`HostProfileError`] with the first value that no host can have.
    pub fn check(&self) -> Result<(), HostProfileError> {
        if self.capacity == 0 {
            return Err(HostProfileError::Capacity);
        }
        if let Some(underlay) = self.underlay.filter(|underlay| !is_reachable(*underlay)) {
            return Err(HostProfileError::Underlay { underlay });
        }
        if self.mtu < LEAST_UNDERLAY_MTU {
            return Err(HostProfileError::Mtu { mtu: self.mtu });
        }
        Ok(())
    }

    /// Adds labels.
    pub fn labels(mut self, labels: impl IntoIterator<Item = Name>) -> Self {
        self.labels.extend(labels);
        self
    }

    /// Sets the largest number of deckies.
    pub fn capacity(mut self, capacity: u32) -> Self {
        self.capacity = capacity;
        self
    }

    /// Sets the address on the network that connects the hosts.
    pub fn underlay(mut self, underlay: impl Into<Option<Ipv4Addr>>) -> Self {
        self.underlay = underlay.into();
        self
    }

    /// Sets the MTU of that network.
    pub fn mtu(mut self, mtu: u16) -> Self {
        self.mtu = mtu;
        self
    }
}

/// A host of a fleet, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostRow {
    /// Its id.
    pub id: HostId,
    /// Its name. No other host has it that was not revoked, whatever the case.
    pub name: Name,
    /// The address of its agent: `host:port`.
    pub address: String,
    /// What an operator says of it.
    pub profile: HostProfile,
    /// When it joined.
    pub enrolled_at: Timestamp,
    /// Since when it gets no more deckies.
    pub drained_at: Option<Timestamp>,
    /// Since when its certificates are refused.
    pub revoked_at: Option<Timestamp>,
    /// When it was heard last, by the [clock of the leases](crate::LeaseStore::now): its last heartbeat, or else its joining. None
    /// if it joined with an earlier version and sent no heartbeat since.
    pub heard_at: Option<Timestamp>,
    /// What its last heartbeat said, as JSON; none if there was none since it joined. The store only reads
    /// [when it was made](crate::HostStore::host_heard).
    pub report: Option<String>,
}

impl HostRow {
    /// Creates the row of a host that has just joined.
    #[must_use]
    pub fn new(
        id: HostId,
        name: Name,
        address: impl Into<String>,
        profile: HostProfile,
        enrolled_at: Timestamp,
    ) -> Self {
        Self {
            id,
            name,
            address: address.into(),
            profile,
            enrolled_at,
            drained_at: None,
            revoked_at: None,
            heard_at: None,
            report: None,
        }
    }

    /// Returns when its last heartbeat arrived; none if there was none since it joined.
    pub fn last_heartbeat(&self) -> Option<Timestamp> {
        self.heard_at.filter(|_| self.report.is_some())
    }

    /// Returns the host as a placement sees it; none if its address on the network of the hosts is unknown.
    pub fn member(&self) -> Option<Member> {
        let HostProfile {
            labels, capacity, mtu, ..
        } = &self.profile;
        let underlay = self.profile.underlay.or_else(|| ip_of(&self.address))?;
        let member = Member::new(self.name.clone(), *capacity, underlay, *mtu);
        let member = if self.drained_at.is_some() {
            member.drained()
        } else {
            member
        };
        Some(labels.iter().cloned().fold(member, Member::labelled))
    }
}

/// Returns the address of `address:port`; none if it is a name, or not that of a machine.
fn ip_of(address: &str) -> Option<Ipv4Addr> {
    let address: SocketAddrV4 = address.parse().ok()?;
    // Hosts for a trial on one machine are at the loopback address.
    (is_reachable(*address.ip()) || address.ip().is_loopback()).then(|| *address.ip())
}

/// A token with which a host joins a fleet, as it is stored: without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct Enrolment {
    /// The id of the token.
    pub id: EnrolmentId,
    /// The id that the host will have.
    pub host: HostId,
    /// The name that the host will have.
    pub name: Name,
    /// The profile that the host will have.
    pub profile: HostProfile,
    /// The SHA-256 hash of the secret.
    pub digest: String,
    /// When the token expires, by the [clock of the leases](crate::LeaseStore::now).
    pub expires_at: Timestamp,
    /// When it was used.
    pub used_at: Option<Timestamp>,
}

impl Enrolment {
    /// Creates the row of a token that was not used.
    pub fn new(
        id: EnrolmentId,
        (host, name): (HostId, Name),
        profile: HostProfile,
        digest: impl Into<String>,
        expires_at: Timestamp,
    ) -> Self {
        Self {
            id,
            host,
            name,
            profile,
            digest: digest.into(),
            expires_at,
            used_at: None,
        }
    }
}

/// A change of a host by an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HostChange {
    /// It gets no more deckies.
    Drain,
    /// It may get deckies again.
    Undrain,
    /// Its certificates are refused from then on. Another host can have its name.
    Revoke,
}

impl HostChange {
    /// Applies it to a row. A change that was made keeps its time.
    pub(super) fn apply(self, row: &mut HostRow, at: Timestamp) {
        match self {
            Self::Drain => drop(row.drained_at.get_or_insert(at)),
            Self::Undrain => row.drained_at = None,
            Self::Revoke => drop(row.revoked_at.get_or_insert(at)),
        }
    }
}
