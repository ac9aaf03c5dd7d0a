//! Findings: what is wrong, or looks wrong, with a document or a topology, as data.

mod collected;

use std::fmt;

use serde::Serialize;

pub use collected::MAX_LISTED;
pub(crate) use collected::{Findings, Tally, capped};

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Severity {
    /// It must be mended first.
    Error,
    /// It works, but is most likely not meant.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident = $text:literal $severity:ident;)*) => {
        /// The stable code of a finding.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $code,)*
        }

        impl Code {
            /// Every code, in the order in which findings are printed.
            pub const ALL: &[Self] = &[$(Self::$code),*];

            /// Returns the code as it is printed.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$code => $text,)* }
            }

            /// Returns the severity that a finding of this code has by itself.
            pub const fn severity(self) -> Severity {
                match self { $(Self::$code => Severity::$severity,)* }
            }
        }
    };
}

codes! {
    /// The text is no JSON or YAML, is too large or too deeply nested.
    DocSyntax = "DOC_SYNTAX" Error;
    /// The document does not say `format: decnet.topology/1`.
    DocFormat = "DOC_FORMAT" Error;
    /// A key that the format does not know, or the same key twice.
    DocUnknownKey = "DOC_UNKNOWN_KEY" Error;
    /// A value of the wrong type, or a required one that is missing.
    DocType = "DOC_TYPE" Error;
    /// A name that is no DNS label.
    NameInvalid = "NAME_INVALID" Error;
    /// Two LANs of one name.
    LanNameDup = "LAN_NAME_DUP" Error;
    /// Two deckies of one name.
    DeckyNameDup = "DECKY_NAME_DUP" Error;
    /// An address that does not parse.
    IpMalformed = "IP_MALFORMED" Error;
    /// A subnet that does not parse, or has host bits set.
    SubnetMalformed = "SUBNET_MALFORMED" Error;
    /// An attachment to a LAN that is not there.
    IpUnknownLan = "IP_UNKNOWN_LAN" Error;
    /// The same decky twice on one LAN.
    AttachmentDup = "ATTACHMENT_DUP" Error;
    /// No DMZ.
    DmzMissing = "DMZ_MISSING" Error;
    /// More than one DMZ.
    DmzMultiple = "DMZ_MULTIPLE" Error;
    /// A LAN that no chain of bridge deckies joins to the DMZ.
    DmzOrphan = "DMZ_ORPHAN" Error;
    /// A decky with no attachment.
    DeckyOrphan = "DECKY_ORPHAN" Error;
    /// An address outside its LAN's subnet.
    IpOutOfSubnet = "IP_OUT_OF_SUBNET" Error;
    /// Two deckies with one address on one LAN.
    IpCollision = "IP_COLLISION" Error;
    /// A network, broadcast or gateway address.
    IpReserved = "IP_RESERVED" Error;
    /// Two subnets that share addresses.
    SubnetOverlap = "SUBNET_OVERLAP" Error;
    /// A subnet with too few addresses.
    SubnetTooSmall = "SUBNET_TOO_SMALL" Error;
    /// A subnet in a range that no LAN can use, like loopback; a warning where the LAN works but is likely not meant.
    SubnetSpecial = "SUBNET_SPECIAL" Error;
    /// A service that is not in the catalogue, or that is never put on a decky.
    UnknownService = "UNKNOWN_SERVICE" Error;
    /// An archetype that is not in the catalogue.
    ArchetypeUnknown = "ARCHETYPE_UNKNOWN" Warning;
    /// Two services of one decky that want the same port.
    ServicePortClash = "SERVICE_PORT_CLASH" Error;
    /// Configuration of a service that the decky does not run.
    ServiceCfgUndeclared = "SERVICE_CFG_UNDECLARED" Error;
    /// A known field of a service's configuration with a wrong value.
    ServiceCfgInvalid = "SERVICE_CFG_INVALID" Error;
    /// A field that the service does not know.
    ServiceCfgUnknownField = "SERVICE_CFG_UNKNOWN_FIELD" Warning;
    /// A service that runs as root.
    ServiceRoot = "SERVICE_ROOT" Warning;
    /// A service that can fill the host's disk.
    HostDisk = "HOST_DISK" Warning;
    /// Something that mazes rely on and the engine cannot do.
    HostEngine = "HOST_ENGINE" Warning;
    /// A LAN with more addresses than the host keeps neighbours.
    HostNeighbours = "HOST_NEIGHBOURS" Warning;
    /// A daemon that cannot limit what deckies use of the host.
    HostUnlimited = "HOST_UNLIMITED" Warning;
    /// A service with a capability that breaks out of its decky.
    ServiceCapability = "SERVICE_CAPABILITY" Warning;
    /// A router with one LAN only, outside the DMZ.
    RouterSingleHomed = "ROUTER_SINGLE_HOMED" Warning;
    /// Two gateways that publish the same host port.
    GatewayPortClash = "GATEWAY_PORT_CLASH" Error;
    /// A port that is published on IPv6, where the log cannot say who came.
    PublishIpv6 = "PUBLISH_IPV6" Warning;
    /// A gateway that is published by a daemon without root's rights, where the log cannot say who came.
    PublishRootless = "PUBLISH_ROOTLESS" Warning;
    /// A host port that a gateway publishes is in use.
    HostPortTaken = "HOST_PORT_TAKEN" Error;
    /// A foreign Docker network or a route of the host covers a subnet.
    SubnetHostOverlap = "SUBNET_HOST_OVERLAP" Error;
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

/// What a finding is about. Names stand as they were written, even where they are no names.
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

    /// Returns how many findings it stands for: one, unless it says how many are not listed.
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
