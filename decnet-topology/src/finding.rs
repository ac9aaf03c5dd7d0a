//! Findings: faults and likely mistakes of a document or a topology, as data.

mod collected;

use std::fmt;

use serde::Serialize;
use strum::{IntoStaticStr, VariantArray};

pub use collected::MAX_LISTED;
pub(crate) use collected::{Findings, Tally, capped};

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, strum::Display)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
#[non_exhaustive]
pub enum Severity {
    /// An error that must be fixed.
    Error,
    /// A likely mistake that does not prevent a deploy.
    Warning,
}

/// The stable code of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum Code {
    /// The text is not JSON or YAML, or is too large or too deeply nested.
    DocSyntax,
    /// The document does not say `format: decnet.topology/1`.
    DocFormat,
    /// An unknown or repeated key.
    DocUnknownKey,
    /// A value of the wrong type, or a required one that is missing.
    DocType,
    /// A name that is not a DNS label.
    NameInvalid,
    /// Two LANs with the same name.
    LanNameDup,
    /// Two deckies with the same name.
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
    /// A LAN that no chain of bridge deckies connects to the DMZ.
    DmzOrphan,
    /// A LAN that an intruder reaches with fewer compromises than intended. No set of rules has it; it is of
    /// [`Analysis::shallower_than`](crate::Analysis::shallower_than).
    MazeShallow,
    /// A decky with no attachment.
    DeckyOrphan,
    /// An address outside its LAN's subnet.
    IpOutOfSubnet,
    /// Two deckies with one address on one LAN.
    IpCollision,
    /// A network, broadcast or gateway address.
    IpReserved,
    /// Two subnets that overlap.
    SubnetOverlap,
    /// A subnet with too few addresses.
    SubnetTooSmall,
    /// A subnet in a range that no LAN can use, such as loopback; a warning if the LAN works but is probably a mistake.
    SubnetSpecial,
    /// A service that is not in the catalogue, or that never runs on a decky.
    UnknownService,
    /// An archetype that is not in the catalogue.
    ArchetypeUnknown,
    /// Two services of one decky that use the same port.
    ServicePortClash,
    /// Configuration of a service that the decky does not run.
    ServiceCfgUndeclared,
    /// A known field of a service's configuration with a wrong value.
    ServiceCfgInvalid,
    /// A field that the service does not know.
    ServiceCfgUnknownField,
    /// A pinned operating system that is not known.
    PersonaOsUnknown,
    /// A pinned hostname that is not a DNS label.
    PersonaHostnameInvalid,
    /// A pinned hostname that another decky has.
    PersonaHostnameTwice,
    /// A pinned version of a service that the decky does not run.
    PersonaVersionUndeclared,
    /// A pinned version of a service whose answers show no version.
    PersonaVersionUnshown,
    /// A pinned version that no service can report.
    PersonaVersionInvalid,
    /// A shuffle with a value that is not valid.
    ShuffleInvalid,
    /// A shuffle for a LAN or a decky that does not exist.
    ShuffleUnknownTarget,
    /// A shuffle that draws from a service that it cannot use.
    ShuffleService,
    /// A service that runs as root.
    ServiceRoot,
    /// A service that can fill the host's disk.
    HostDisk,
    /// A feature that mazes need and the engine does not have.
    HostEngine,
    /// A LAN with more addresses than the host's neighbour table can hold.
    HostNeighbours,
    /// A daemon that cannot limit the resources of deckies.
    HostUnlimited,
    /// A service with a capability that lets an intruder break out of its decky.
    ServiceCapability,
    /// A router with one LAN only, outside the DMZ.
    RouterSingleHomed,
    /// Two gateways that publish the same host port.
    GatewayPortClash,
    /// A port that is published on IPv6: the log does not show the visitor's address.
    PublishIpv6,
    /// A gateway that a rootless daemon publishes: the log does not show the visitor's address.
    PublishRootless,
    /// An image that the runtime does not have and cannot get.
    ImageUnavailable,
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

    /// Returns the default severity of this code.
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

/// The subject of a finding. Names are as written, valid or not.
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
    /// Two deckies.
    DeckyPair {
        /// The first.
        decky: String,
        /// The second.
        other: String,
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
    /// More findings of the same code that are not listed.
    More {
        /// How many.
        count: u64,
    },
}

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct LineColumn {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
}

impl From<(usize, usize)> for LineColumn {
    fn from((line, column): (usize, usize)) -> Self {
        Self { line, column }
    }
}

/// One fault or likely mistake.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// Its severity.
    pub severity: Severity,
    /// The broken rule.
    pub code: Code,
    /// What is wrong, where, and what to do, for people.
    pub message: String,
    /// Its subject.
    pub target: Target,
    /// Its place in the text of the document, where it is known: the parser knows it, and
    /// [`document::locate`](crate::document::locate) finds it for the findings of the rules.
    #[serde(flatten)]
    pub place: Option<LineColumn>,
}

impl Finding {
    /// Creates a finding with the default severity of its code.
    pub fn new(code: Code, target: Target, message: impl Into<String>) -> Self {
        Self {
            severity: code.severity(),
            code,
            message: message.into(),
            target,
            place: None,
        }
    }

    /// Sets its place in the text.
    #[must_use]
    pub fn at(mut self, place: Option<LineColumn>) -> Self {
        self.place = place;
        self
    }

    /// Formats its place in a file as compilers do: `file:line:column`, or only the file if its place is not known.
    ///
    /// ```
    /// use decnet_topology::{Syntax, document};
    ///
    /// let draft = document::parse("format: decnet.topology/1\nname: corp\nlan: []", Syntax::Yaml)?;
    /// assert_eq!(draft.findings[0].place_in("corp.yaml"), "corp.yaml:3:1");
    /// # Ok::<(), decnet_topology::DocumentError>(())
    /// ```
    pub fn place_in(&self, file: &str) -> String {
        match self.place {
            Some(LineColumn { line, column }) => format!("{file}:{line}:{column}"),
            None => file.into(),
        }
    }

    /// Returns the number of findings that it represents: one, or the number of findings that are not listed.
    pub fn count(&self) -> u64 {
        self.count_of_more().unwrap_or(1)
    }

    /// Returns the number of findings that are not listed, if it reports that.
    pub(crate) fn count_of_more(&self) -> Option<u64> {
        match self.target {
            Target::More { count } => Some(count),
            _ => None,
        }
    }

    /// Makes it a warning, whatever the default severity of its code is.
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
