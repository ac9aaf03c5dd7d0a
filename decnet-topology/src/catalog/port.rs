use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

use crate::text_form::text_form;

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
#[error("`{text}` is not a port of the form 80/tcp, 53/udp or 22:2222/tcp")]
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

text_form!(Port: PortError);

/// A port of a service and the port on which its program listens, written `22/tcp`, or `22:2222/tcp` if they differ.
///
/// The order is that of Compose files: visitors see the first, the program in the container listens on the second.
///
/// ```
/// use decnet_topology::ServicePort;
///
/// let ssh: ServicePort = "22:2222/tcp".parse()?;
/// assert_eq!((ssh.outside.to_string(), ssh.inside), ("22/tcp".into(), 2222));
/// assert_eq!("80/tcp".parse::<ServicePort>()?.inside, 80);
/// assert_eq!("80:80/tcp".parse::<ServicePort>()?.to_string(), "80/tcp");
/// # Ok::<(), decnet_topology::PortError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServicePort {
    /// The port that visitors see.
    pub outside: Port,
    /// The number of the port on which the program listens, with the same protocol.
    pub inside: u16,
}

impl ServicePort {
    /// Returns the port on which the program listens.
    pub fn inside_port(self) -> Port {
        Port {
            number: self.inside,
            protocol: self.outside.protocol,
        }
    }

    /// Returns whether the two ports differ.
    pub fn is_mapped(self) -> bool {
        self.inside != self.outside.number
    }
}

impl FromStr for ServicePort {
    type Err = PortError;

    fn from_str(text: &str) -> Result<Self, PortError> {
        let refused = |_: PortError| PortError { text: text.into() };
        let (outside, inside) = text.split_once(':').unwrap_or(("", text));
        let inside = inside.parse::<Port>().map_err(refused)?;
        let outside = match outside {
            "" if !text.contains(':') => inside,
            number => format!("{number}/{}", inside.protocol)
                .parse::<Port>()
                .map_err(refused)?,
        };
        Ok(Self {
            outside,
            inside: inside.number,
        })
    }
}

impl fmt::Display for ServicePort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_mapped() {
            return fmt::Display::fmt(&self.outside, f);
        }
        write!(f, "{}:{}/{}", self.outside.number, self.inside, self.outside.protocol)
    }
}

text_form!(ServicePort: PortError);
