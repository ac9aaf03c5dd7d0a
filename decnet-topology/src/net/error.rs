//! The reason why a subnet cannot be used.

use ipnet::Ipv4Net;

/// The reason why a text is not a subnet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum SubnetError {
    /// The text is not `a.b.c.d/p`.
    #[error("`{text}` is not an IPv4 subnet of the form 10.0.0.0/24")]
    #[strum(serialize = "malformed_subnet")]
    Malformed {
        /// The text.
        text: String,
    },
    /// Host bits are set.
    #[error("`{text}` has host bits set; the subnet is {network}")]
    #[strum(serialize = "host_bits_set")]
    HostBits {
        /// The text.
        text: String,
        /// The subnet that contains it.
        network: Ipv4Net,
    },
}

impl SubnetError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        self.into()
    }
}
