use std::{collections::BTreeSet, net::Ipv4Addr};

use decnet_topology::{HostProfile, Name};
use jiff::Timestamp;

use super::{FleetError, FleetMaster, JoinToken};

/// What an operator says of a host that is invited. Values that are not given come from the host with the same name, otherwise from the
/// defaults of [`HostProfile`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use]
#[non_exhaustive]
pub struct InviteOptions {
    /// Its labels.
    pub labels: Option<BTreeSet<Name>>,
    /// The largest number of deckies on it.
    pub capacity: Option<u32>,
    /// Its address on the network that connects the hosts.
    pub underlay: Option<Ipv4Addr>,
    /// The MTU of that network, in bytes.
    pub mtu: Option<u16>,
}

impl InviteOptions {
    /// Sets its labels; an empty set removes all.
    pub fn labels(mut self, labels: impl Into<Option<BTreeSet<Name>>>) -> Self {
        self.labels = labels.into();
        self
    }

    /// Sets the largest number of deckies.
    pub fn capacity(mut self, capacity: impl Into<Option<u32>>) -> Self {
        self.capacity = capacity.into();
        self
    }

    /// Sets its address on the network that connects the hosts.
    pub fn underlay(mut self, underlay: impl Into<Option<Ipv4Addr>>) -> Self {
        self.underlay = underlay.into();
        self
    }

    /// Sets the MTU of that network, in bytes.
    pub fn mtu(mut self, mtu: impl Into<Option<u16>>) -> Self {
        self.mtu = mtu.into();
        self
    }

    /// Returns a profile with what was given.
    fn over(self, profile: HostProfile) -> HostProfile {
        let changed = HostProfile::default()
            .capacity(self.capacity.unwrap_or(profile.capacity))
            .underlay(self.underlay.or(profile.underlay))
            .mtu(self.mtu.unwrap_or(profile.mtu));
        changed.labels(self.labels.unwrap_or(profile.labels))
    }
}

/// A token for a host, and what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Invitation {
    /// The token.
    pub token: JoinToken,
    /// Whether a host has the name already, which then joins again.
    pub is_again: bool,
}

impl FleetMaster {
    /// Makes a token for a host. If the fleet has one with this name, it joins again: it keeps its mazes, and what is not given.
    ///
    /// The token works once, for 15 minutes, and only for this name.
    ///
    /// # Errors
    ///
    /// Those of [`invite`](Self::invite).
    pub async fn invite_with(
        &self,
        name: Name,
        options: InviteOptions,
        at: Timestamp,
    ) -> Result<Invitation, FleetError> {
        let again = self.hosts().await?.into_iter().find(|host| host.name == name);
        let is_again = again.is_some();
        let profile = again.map_or_else(HostProfile::default, |host| host.profile);
        let token = self.invite(name, options.over(profile), at).await?;
        Ok(Invitation { token, is_again })
    }
}
