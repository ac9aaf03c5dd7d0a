use std::{net::Ipv4Addr, str::FromStr};

use ipnet::Ipv4Net;

use super::LogEntry;

/// The reason why a text does not select visitors to mute.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid visitor `{text}`; try 192.0.2.7, 192.0.2.0/24 or 192.0.2.7:22")]
pub struct MutedError {
    /// The text.
    pub text: String,
}

impl MutedError {
    /// Returns a stable code for programs.
    pub const fn code(&self) -> &'static str {
        "malformed_muted"
    }
}

/// Visitors whose lines are left out: those with an address in a subnet, and if there is a port, only at that port of a decky.
///
/// ```
/// use decnet_engine::Muted;
///
/// let scanner: Muted = "192.0.2.0/24:22".parse()?;
/// assert!(scanner.matches("192.0.2.7".parse()?, Some(22)));
/// assert!(!scanner.matches("192.0.2.7".parse()?, Some(80)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Muted {
    /// The addresses.
    pub net: Ipv4Net,
    /// The port of the decky; none for all ports.
    pub port: Option<u16>,
}

impl Muted {
    /// Returns whether a visitor at a port of a decky is muted.
    pub fn matches(&self, visitor: Ipv4Addr, port: Option<u16>) -> bool {
        self.net.contains(&visitor) && self.port.is_none_or(|muted| port == Some(muted))
    }
}

/// Returns whether the visitor of an entry is muted.
pub(crate) fn is_muted(muted: &[Muted], entry: &LogEntry) -> bool {
    let port = entry.content.port();
    let matches = |visitor| muted.iter().any(|muted| muted.matches(visitor, port));
    entry.visitor().is_some_and(matches)
}

impl FromStr for Muted {
    type Err = MutedError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || MutedError { text: text.into() };
        let (net, port) = match text.split_once(':') {
            Some((net, port)) => (net, Some(port.parse().map_err(|_| invalid())?)),
            None => (text, None),
        };
        let host = || net.parse::<Ipv4Addr>().map(Ipv4Net::from);
        let net = net.parse().or_else(|_| host()).map_err(|_| invalid())?;
        Ok(Self { net, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_or_a_subnet_is_muted_with_or_without_a_port() {
        let all: Muted = "192.0.2.7".parse().unwrap();
        assert!(all.matches(Ipv4Addr::new(192, 0, 2, 7), None));
        assert!(!all.matches(Ipv4Addr::new(192, 0, 2, 8), None));
        for invalid in ["", "192.0.2.7:", "192.0.2.7:70000", "host", "::1"] {
            let error = invalid.parse::<Muted>().unwrap_err();
            assert_eq!((error.text.as_str(), error.code()), (invalid, "malformed_muted"));
        }
    }
}
