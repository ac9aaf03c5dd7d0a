//! The messages between an agent and the listener of a master. A change of one increases the version of the protocol.

use decnet_topology::{EnrolmentId, HostId, Name};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

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
    #[serde(deserialize_with = "complete")]
    pub(crate) report: HostReport,
    /// The digest of whom the agent trusts.
    pub(crate) trust: String,
    /// The request for a new certificate, in PEM.
    pub(crate) request: Option<String>,
}

/// Reads a report of this version. Only stored ones may lack the fields that order them.
fn complete<'de, D: Deserializer<'de>>(from: D) -> Result<HostReport, D::Error> {
    let report = HostReport::deserialize(from)?;
    if report.run.is_none() {
        return Err(D::Error::missing_field("run"));
    }
    if report.made_at.is_none() {
        return Err(D::Error::missing_field("made_at"));
    }
    Ok(report)
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_heartbeat_says_when_it_was_made_and_by_which_start_of_the_agent() {
        let report = json!({
            "run": "01234567-89ab-4cde-8f01-23456789abcd",
            "made_at": "2026-01-01T00:00:00Z",
        });
        let read = |report: &Value| {
            let beat = json!({ "report": report, "trust": "", "request": null });
            serde_json::from_value::<BeatRequest>(beat)
        };
        read(&report).expect("it is complete");
        for field in ["run", "made_at"] {
            let mut incomplete = report.clone();
            incomplete[field] = Value::Null;
            let error = read(&incomplete).expect_err(field).to_string();
            assert_eq!(error, format!("missing field `{field}`"));
        }
    }
}
