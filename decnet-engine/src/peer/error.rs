use super::PROTOCOL;

/// Reports why a master or an agent did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum PeerError {
    /// An address is not `host:port`.
    #[error("`{address}` is not an address; write HOST:PORT")]
    #[strum(serialize = "peer_address")]
    Address {
        /// The text.
        address: String,
    },
    /// It does not answer.
    #[error("{address} does not answer: {reason}")]
    #[strum(serialize = "peer_unreachable")]
    Unreachable {
        /// Its address.
        address: String,
        /// What failed.
        reason: String,
    },
    /// What listens there does not speak TLS, so it is another program.
    #[error("another program listens at {address}: it does not speak TLS")]
    #[strum(serialize = "peer_not_tls")]
    NotTls {
        /// The address.
        address: String,
    },
    /// One side does not accept the certificate of the other.
    #[error("{address} and this program do not trust each other: {reason}")]
    #[strum(serialize = "peer_untrusted")]
    Untrusted {
        /// Its address.
        address: String,
        /// Which certificate was refused, and why.
        reason: String,
    },
    /// It has proved who it is, and refuses the certificate of this program because it was revoked.
    #[error("{address} refuses the certificate of this program: it was revoked")]
    #[strum(serialize = "peer_untrusted")]
    Revoked {
        /// Its address.
        address: String,
    },
    /// It has another version of the protocol.
    #[error(
        "{address} has version {theirs} of the protocol, and this program has version {PROTOCOL}: update the older one"
    )]
    #[strum(serialize = "protocol_mismatch")]
    OtherVersion {
        /// Its address.
        address: String,
        /// Its version; `none` if it has none.
        theirs: String,
    },
    /// It refused the request.
    #[error("{address} refused the request ({problem}): {reason}")]
    #[strum(serialize = "peer_refused")]
    Refused {
        /// Its address.
        address: String,
        /// The stable code of the refusal.
        problem: String,
        /// Its message.
        reason: String,
        /// All members of the problem document.
        members: serde_json::Map<String, serde_json::Value>,
    },
    /// Its answer makes no sense.
    #[error("unexpected response of {address}: {reason}")]
    #[strum(serialize = "peer_unexpected")]
    Unexpected {
        /// Its address.
        address: String,
        /// What is wrong.
        reason: String,
    },
}

impl PeerError {
    /// Returns a stable code for programs. For a refusal, it is the code of the other side.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused { problem, .. } => problem,
            error => error.into(),
        }
    }
}
