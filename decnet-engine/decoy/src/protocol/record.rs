mod own;

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

pub use self::own::{Decnet, EndReason, Summary};
use super::Protocol;

/// A line of the log: something that a visitor did, or a count of what has no line.
///
/// The fields have the names of the Elastic Common Schema 8; what it has no name for is in [`Record::decnet`]. The lines of one
/// conversation have the same [`Decnet::session`]. If its `session.close` is missing, the conversation was open when the
/// service was killed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The time, RFC 3339 in UTC with milliseconds.
    #[serde(rename = "@timestamp")]
    pub timestamp: String,
    /// What happened.
    pub event: EventFields,
    /// The decky.
    pub host: Named,
    /// The service; none in a line of the base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Named>,
    /// The visitor; none in a summary of several visitors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Endpoint>,
    /// The decky's address and port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<Endpoint>,
    /// The transport.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// The user of a login attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<User>,
    /// The command of a shell or a protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// The target of a request of HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<Original>,
    /// A request of HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
    /// The name that the visitor's program gives itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<Original>,
    /// A file or mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<FileFields>,
    /// The TLS client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// All addresses, users and hashes of the line, for a search.
    #[serde(default, skip_serializing_if = "Related::is_empty")]
    pub related: Related,
    /// The technique of MITRE ATT&CK.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threat: Option<Threat>,
    /// Fields that the Elastic Common Schema has no name for.
    #[serde(default, skip_serializing_if = "Decnet::is_empty")]
    pub decnet: Decnet,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventFields {
    /// The stable id.
    pub action: Action,
    /// Always `event`.
    pub kind: String,
    /// The categories of the Elastic Common Schema.
    pub category: Vec<String>,
    /// The types of the Elastic Common Schema.
    #[serde(rename = "type")]
    pub kinds: Vec<String>,
    /// The number of the line among those of its service, from 1 at each start.
    pub sequence: u64,
    /// Whether a login succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The duration of a conversation in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<u64>,
}

/// The stable id of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Action {
    /// A conversation started: a connection was accepted, or the first datagram of a source arrived.
    #[serde(rename = "session.open")]
    SessionOpen,
    /// A conversation ended.
    #[serde(rename = "session.close")]
    SessionClose,
    /// The visitor tried to log in.
    #[serde(rename = "auth.attempt")]
    AuthAttempt,
    /// The visitor sent a command.
    #[serde(rename = "command")]
    Command,
    /// The visitor sent a request that is not a command line.
    #[serde(rename = "request")]
    Request,
    /// The visitor sent or fetched a file or a mail.
    #[serde(rename = "file")]
    File,
    /// The visitor's program can be recognised.
    #[serde(rename = "client.fingerprint")]
    ClientFingerprint,
    /// A scan, or input that does not belong to the protocol.
    #[serde(rename = "probe")]
    Probe,
    /// The packet filter of the decky dropped packets that would have left the maze.
    #[serde(rename = "containment.drop")]
    ContainmentDrop,
    /// Events without lines of their own were counted.
    #[serde(rename = "summary")]
    Summary,
}

impl Action {
    /// All ids.
    pub const ALL: [Self; 10] = [
        Self::SessionOpen,
        Self::SessionClose,
        Self::AuthAttempt,
        Self::Command,
        Self::Request,
        Self::File,
        Self::ClientFingerprint,
        Self::Probe,
        Self::ContainmentDrop,
        Self::Summary,
    ];

    /// Returns the category and the type of the Elastic Common Schema.
    pub const fn category(self) -> (&'static str, &'static str) {
        match self {
            Self::SessionOpen => ("network", "start"),
            Self::SessionClose => ("network", "end"),
            Self::AuthAttempt => ("authentication", "start"),
            Self::Command => ("process", "start"),
            Self::Request => ("network", "access"),
            Self::File => ("file", "access"),
            Self::ClientFingerprint | Self::Summary => ("network", "info"),
            Self::Probe => ("intrusion_detection", "info"),
            Self::ContainmentDrop => ("network", "denied"),
        }
    }

    /// Returns when a line with this id is written.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::SessionOpen => {
                "A conversation started: a connection was accepted, or the first datagram of a source arrived."
            }
            Self::SessionClose => "A conversation ended.",
            Self::AuthAttempt => "The visitor tried to log in.",
            Self::Command => "The visitor sent a command.",
            Self::Request => "The visitor sent a request that is not a command line.",
            Self::File => "The visitor sent or fetched a file or a mail.",
            Self::ClientFingerprint => "The visitor's program can be recognised.",
            Self::Probe => "A scan, or input that does not belong to the protocol.",
            Self::ContainmentDrop => "The packet filter of the decky dropped packets that would have left the maze.",
            Self::Summary => "Contacts without lines of their own were counted.",
        }
    }

    /// Returns the fields that only lines with this id have. Most lines have some of them.
    pub const fn own_fields(self) -> &'static [&'static str] {
        match self {
            Self::SessionOpen => &[],
            Self::SessionClose => &["decnet.bytes", "decnet.left_out", "decnet.reason", "event.duration"],
            Self::AuthAttempt => &[
                "decnet.fingerprint",
                "decnet.hash",
                "decnet.method",
                "decnet.password",
                "event.outcome",
                "user.domain",
                "user.name",
            ],
            Self::Command => &["process.command_line"],
            Self::Request => &[
                "decnet.data",
                "decnet.operation",
                "decnet.status",
                "decnet.target",
                "http.request.body.content",
                "http.request.method",
                "http.response.status_code",
                "url.original",
                "user_agent.original",
            ],
            Self::File => &["decnet.direction", "file.hash.sha256", "file.name", "file.size"],
            Self::ClientFingerprint => &[
                "decnet.fingerprint",
                "decnet.method",
                "tls.client.ja4",
                "tls.client.server_name",
            ],
            Self::Probe => &["decnet.input", "decnet.probe"],
            Self::ContainmentDrop => &["decnet.packets"],
            Self::Summary => &["decnet.left_out", "decnet.summary"],
        }
    }

    /// Returns the technique of MITRE ATT&CK that fits every event of this kind: its id and its name.
    pub const fn technique(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::AuthAttempt => Some(("T1110", "Brute Force")),
            Self::Command => Some(("T1059", "Command and Scripting Interpreter")),
            Self::File => Some(("T1105", "Ingress Tool Transfer")),
            Self::Probe => Some(("T1046", "Network Service Discovery")),
            _ => None,
        }
    }
}

/// Whether a login succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It succeeded.
    Success,
    /// It was refused.
    Failure,
}

/// A name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// The name.
    pub name: String,
}

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The address; none for the target of a datagram.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<Ipv4Addr>,
    /// The port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
}

/// The transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// TCP or UDP.
    pub transport: Protocol,
}

/// A user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The domain, realm or database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
}

/// A command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// The line.
    pub command_line: String,
}

/// A value as the visitor sent it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Original {
    /// The value.
    pub original: String,
}

/// A request of HTTP and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Http {
    /// The request.
    pub request: HttpRequest,
    /// The answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<HttpResponse>,
}

/// A request of HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRequest {
    /// The method.
    pub method: String,
    /// The body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<HttpBody>,
}

/// The body of a request of HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpBody {
    /// Its first bytes.
    pub content: String,
}

/// An answer of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpResponse {
    /// The status.
    pub status_code: u16,
}

/// A file or mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFields {
    /// The name.
    pub name: String,
    /// The number of bytes.
    pub size: u64,
    /// The digests of the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<FileHash>,
}

/// The digests of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileHash {
    /// The SHA-256 in hex digits.
    pub sha256: String,
}

/// The TLS of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tls {
    /// The client.
    pub client: TlsClient,
}

/// A TLS client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsClient {
    /// The name of the server that it asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// The JA4 fingerprint of its hello.
    pub ja4: String,
}

/// All addresses, users and hashes of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Related {
    /// The addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ip: Vec<Ipv4Addr>,
    /// The users.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub user: Vec<String>,
    /// The digests and fingerprints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hash: Vec<String>,
}

impl Related {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A technique of MITRE ATT&CK.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Threat {
    /// The technique.
    pub technique: Technique,
}

/// The id and the name of a technique.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Technique {
    /// The ids.
    pub id: Vec<String>,
    /// The names.
    pub name: Vec<String>,
}
