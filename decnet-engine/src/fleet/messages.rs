//! The messages between an agent and the listener of a master. A change of one increases the version of the protocol.

use decnet_topology::{EnrolmentId, HostId, Name};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::pki::Trust;
use crate::pushed::HostReport;

pub(crate) const AUTHORITY: &str = "/pki/authority";
pub(crate) const ENROLL: &str = "/hosts/enroll";
pub(crate) const HEARTBEAT: &str = "/hosts/heartbeat";

/// The certificate of the authority. It proves nothing until it was compared with the hash in the token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct AuthorityAnswer {
    pub(crate) certificate: String,
}

/// A host wants to join.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EnrollRequest {
    pub(crate) token: EnrolmentId,
    pub(crate) secret: String,
    pub(crate) name: Name,
    /// Where its agent will listen.
    pub(crate) address: String,
    /// The request for a certificate, in PEM.
    pub(crate) request: String,
}

/// A host has joined.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EnrollAnswer {
    pub(crate) host: HostId,
    /// The certificate in PEM.
    pub(crate) certificate: String,
    pub(crate) trust: Trust,
    /// The time of the master.
    pub(crate) at: Timestamp,
}

/// A heartbeat.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BeatRequest {
    pub(crate) report: HostReport,
    /// The digest of whom the agent trusts.
    pub(crate) trust: String,
    /// The request for a new certificate, in PEM.
    pub(crate) request: Option<String>,
}

/// The answer to a heartbeat.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BeatAnswer {
    /// Whether the agent should ask for a new certificate.
    pub(crate) renew: bool,
    /// The new certificate in PEM.
    pub(crate) certificate: Option<String>,
    /// Whom the agent must trust now; none if that has not changed.
    pub(crate) trust: Option<Trust>,
    /// The time of the master.
    pub(crate) at: Timestamp,
}
