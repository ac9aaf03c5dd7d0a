//! Findings: what is wrong, or looks wrong, with a document or a topology, as data.

mod collected;

use std::fmt;

use serde::Serialize;
use strum::{IntoStaticStr, VariantArray};

pub use collected::MAX_LISTED;
pub(crate) use collected::{Findings, Tally, capped};

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, strum::Display)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
#[non_exhaustive]
pub enum Severity {
    /// It must be fixed.
    Error,
    /// It works, but is most likely not meant.
    Warning,
}

/// The stable code of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum Code {
    /// The text is no JSON or YAML, is too large or too deeply nested.
    DocSyntax,
    /// The document does not say `format: decnet.topology/1`.
    DocFormat,
    /// A key that the format does not know, or the same key twice.
    DocUnknownKey,
    /// A value of the wrong type, or a required one that is missing.
    DocType,
    /// A name that is no DNS label.
    NameInvalid,
    /// Two LANs of one name.
    LanNameDup,
    /// Two deckies of one name.
    DeckyNameDup,
    /// An address that does not parse.
    IpMalformed,
    /// A subnet that does not parse, or has host bits set.
    SubnetMalformed,
    /// An attachment to a LAN that does not exist.
    IpUnknownLan,
    /// The same decky twice on one LAN.
    AttachmentDup,
    /// No DMZ.
    DmzMissing,
    /// More than one DMZ.
    DmzMultiple,
    /// A LAN that no chain of bridge deckies joins to the DMZ.
    DmzOrphan,
    /// A decky with no attachment.
    DeckyOrphan,
    /// An address outside its LAN's subnet.
    IpOutOfSubnet,
    /// Two deckies with one address on one LAN.
    IpCollision,
    /// A network, broadcast or gateway address.
    IpReserved,
    /// Two subnets that share addresses.
    SubnetOverlap,
    /// A subnet with too few addresses.
    SubnetTooSmall,
    /// A subnet in a range that no LAN can use, like loopback; a warning where the LAN works but is likely not meant.
    SubnetSpecial,
    /// A service that is not in the catalogue, or that is never put on a decky.
    UnknownService,
    /// An archetype that is not in the catalogue.
    ArchetypeUnknown,
    /// Two services of one decky that want the same port.
    ServicePortClash,
    /// Configuration of a service that the decky does not run.
    ServiceCfgUndeclared,
    /// A known field of a service's configuration with a wrong value.
    ServiceCfgInvalid,
    /// A field that the service does not know.
    ServiceCfgUnknownField,
    /// A service that runs as root.
    ServiceRoot,
    /// A service that can fill the host's disk.
    HostDisk,
    /// Something that mazes rely on and the engine cannot do.
    HostEngine,
    /// A LAN with more addresses than the host keeps neighbours.
    HostNeighbours,
    /// A daemon that cannot limit what deckies use of the host.
    HostUnlimited,
    /// A service with a capability that breaks out of its decky.
    ServiceCapability,
    /// A router with one LAN only, outside the DMZ.
    RouterSingleHomed,
    /// Two gateways that publish the same host port.
    GatewayPortClash,
    /// A port that is published on IPv6, where the log cannot say who came.
    PublishIpv6,
    /// A gateway that is published by a daemon without root's rights, where the log cannot say who came.
    PublishRootless,
    /// A host port that a gateway publishes is in use.
    HostPortTaken,
    /// A foreign Docker network or a route of the host covers a subnet.
    SubnetHostOverlap,
}

impl Code {
    /// Every code, in the order in which findings are printed.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// Returns the code as it is printed.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Returns the severity that a finding of this code has by itself.
    pub const fn severity(self) -> Severity {
        match self {
            Self::ArchetypeUnknown
            | Self::ServiceCfgUnknownField
            | Self::ServiceRoot
            | Self::HostDisk
            | Self::HostEngine
            | Self::HostNeighbours
            | Self::HostUnlimited
            | Self::ServiceCapability
            | Self::RouterSingleHomed
            | Self::PublishIpv6
            | Self::PublishRootless => Severity::Warning,
            _ => Severity::Error,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What a finding is about. Names are as they were written, valid or not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Target {
    /// The whole topology.
    Topology,
    /// A place in a document.
    Document {
        /// The path of keys and indices, like `lans[2].subnet`; empty where the text could not be read.
        path: String,
        /// The line, from 1, where it is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        line: Option<usize>,
        /// The column, from 1, where it is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        column: Option<usize>,
    },
    /// One LAN.
    Lan {
        /// Its name.
        lan: String,
    },
    /// Two LANs.
    LanPair {
        /// The first.
        lan: String,
        /// The second.
        other: String,
    },
    /// One decky.
    Decky {
        /// Its name.
        decky: String,
    },
    /// A decky on a LAN.
    Attachment {
        /// The decky.
        decky: String,
        /// The LAN.
        lan: String,
    },
    /// A service of a decky.
    Service {
        /// The decky.
        decky: String,
        /// The service.
        service: String,
    },
    /// A field of a service's configuration.
    ServiceField {
        /// The decky.
        decky: String,
        /// The service.
        service: String,
        /// The field.
        field: String,
    },
    /// A port of the host.
    HostPort {
        /// The decky that publishes it.
        decky: String,
        /// The service behind it.
        service: String,
        /// The port on the host.
        port: u16,
    },
    /// Findings of the same code that are not listed.
    More {
        /// How many.
        count: u64,
    },
}

/// One thing that is wrong, or looks wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// How much it weighs.
    pub severity: Severity,
    /// Which rule it breaks.
    pub code: Code,
    /// What, where, and what to do, for people.
    pub message: String,
    /// What it is about.
    pub target: Target,
}

impl Finding {
    /// Makes a finding with the severity that its code has by itself.
    pub fn new(code: Code, target: Target, message: impl Into<String>) -> Self {
        Self {
            severity: code.severity(),
            code,
            message: message.into(),
            target,
        }
    }

    /// Returns how many findings it counts for: one, unless it says how many are not listed.
    pub fn count(&self) -> u64 {
        self.count_of_more().unwrap_or(1)
    }

    /// Returns how many it says that there are more, if that is what it says.
    pub(crate) fn count_of_more(&self) -> Option<u64> {
        match self.target {
            Target::More { count } => Some(count),
            _ => None,
        }
    }

    /// Makes it a warning, whatever its code says.
    #[must_use]
    pub fn as_warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.severity, self.code, self.message)
    }
}
