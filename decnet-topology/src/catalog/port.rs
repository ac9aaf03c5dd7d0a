use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

/// A transport protocol.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, IntoStaticStr, strum::Display,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// Returns the word for it, as in `80/tcp`.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The error for a text that is not a port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a port of the form 80/tcp or 53/udp")]
pub struct PortError {
    /// The text.
    pub text: String,
}

impl PortError {
    /// Returns a stable code for programs.
    pub const fn code(&self) -> &'static str {
        "malformed_port"
    }
}

/// A port that a service listens on; written `80/tcp`.
///
/// ```
/// use decnet_topology::{Port, Protocol};
///
/// let port: Port = "53/udp".parse()?;
/// assert_eq!((port.number, port.protocol), (53, Protocol::Udp));
/// assert_eq!(port.to_string(), "53/udp");
/// assert!("0/tcp".parse::<Port>().is_err());
/// # Ok::<(), decnet_topology::PortError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Port {
    /// The number, from 1.
    pub number: u16,
    /// The protocol.
    pub protocol: Protocol,
}

impl FromStr for Port {
    type Err = PortError;

    fn from_str(text: &str) -> Result<Self, PortError> {
        let read = || {
            let (number, protocol) = text.split_once('/')?;
            let protocol = match protocol {
                "tcp" => Protocol::Tcp,
                "udp" => Protocol::Udp,
                _ => return None,
            };
            let plain = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
            let number = number.parse().ok().filter(|_| plain)?;
            Some(Self { number, protocol })
        };
        read().ok_or_else(|| PortError { text: text.into() })
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.protocol)
    }
}

impl TryFrom<String> for Port {
    type Error = PortError;

    fn try_from(text: String) -> Result<Self, PortError> {
        text.parse()
    }
}

impl From<Port> for String {
    fn from(port: Port) -> Self {
        port.to_string()
    }
}
