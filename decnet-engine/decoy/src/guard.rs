//! The settings of an interface that keep a neighbour from steering where packets go.

use crate::protocol::Guard;

impl Guard {
    /// All of them.
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

    /// The number of the setting in the kernel's `linux/ip.h`, `IPV4_DEVCONF_*`.
    pub(crate) fn number(self) -> u16 {
        match self {
            Self::ProxyArp => 3,
            Self::AcceptRedirects => 4,
            Self::SecureRedirects => 5,
            Self::SendRedirects => 6,
            Self::ReversePathFilter => 8,
            Self::AcceptSourceRoute => 9,
            Self::AcceptLocal => 23,
            Self::RouteLocalnet => 26,
        }
    }

    /// What it should be.
    pub(crate) fn wanted(self) -> u32 {
        match self {
            // Should a redirect be taken all the same, then to a router that is known only.
            Self::SecureRedirects => 1,
            // Loose: a bridge decky may be asked over one LAN and answer over another.
            Self::ReversePathFilter => 2,
            _ => 0,
        }
    }
}
