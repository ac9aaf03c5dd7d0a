//! The settings of an interface that prevent neighbours from redirecting packets.

use crate::{
    kernel::{
        IPV4_DEVCONF_ACCEPT_LOCAL, IPV4_DEVCONF_ACCEPT_REDIRECTS, IPV4_DEVCONF_ACCEPT_SOURCE_ROUTE,
        IPV4_DEVCONF_PROXY_ARP, IPV4_DEVCONF_ROUTE_LOCALNET, IPV4_DEVCONF_RP_FILTER, IPV4_DEVCONF_SECURE_REDIRECTS,
        IPV4_DEVCONF_SEND_REDIRECTS,
    },
    protocol::Guard,
};

impl Guard {
    /// All guards.
    pub(crate) const ALL: [Self; 8] = [
        Self::AcceptRedirects,
        Self::SecureRedirects,
        Self::SendRedirects,
        Self::ReversePathFilter,
        Self::AcceptSourceRoute,
        Self::ProxyArp,
        Self::AcceptLocal,
        Self::RouteLocalnet,
    ];

    /// Returns the number of the setting in the kernel.
    pub(crate) fn number(self) -> u16 {
        match self {
            Self::ProxyArp => IPV4_DEVCONF_PROXY_ARP,
            Self::AcceptRedirects => IPV4_DEVCONF_ACCEPT_REDIRECTS,
            Self::SecureRedirects => IPV4_DEVCONF_SECURE_REDIRECTS,
            Self::SendRedirects => IPV4_DEVCONF_SEND_REDIRECTS,
            Self::ReversePathFilter => IPV4_DEVCONF_RP_FILTER,
            Self::AcceptSourceRoute => IPV4_DEVCONF_ACCEPT_SOURCE_ROUTE,
            Self::AcceptLocal => IPV4_DEVCONF_ACCEPT_LOCAL,
            Self::RouteLocalnet => IPV4_DEVCONF_ROUTE_LOCALNET,
        }
    }

    /// Returns the required value.
    pub(crate) fn wanted(self) -> u32 {
        match self {
            // If a redirect is accepted anyway, then only to a known router.
            Self::SecureRedirects => 1,
            // Loose: a bridge decky may get a request on one LAN and answer on another.
            Self::ReversePathFilter => 2,
            _ => 0,
        }
    }
}
