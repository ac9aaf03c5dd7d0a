use std::fmt::Debug;

use async_trait::async_trait;
use decnet_topology::{EnrolmentId, HostId, Name};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{FleetError, token::digest};

/// A token, as it is stored: without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Enrolment {
    /// The id of the token.
    pub id: EnrolmentId,
    /// The id that the host will have.
    pub host: HostId,
    /// The name that the host will have.
    pub name: Name,
    /// The SHA-256 hash of the secret.
    pub digest: String,
    /// When it expires.
    pub expires_at: Timestamp,
    /// When it was used.
    pub used_at: Option<Timestamp>,
}

impl Enrolment {
    /// Checks whether a host may join with it. A wrong secret is reported as an unknown token.
    pub(super) fn check(&self, secret: &str, name: &Name, at: Timestamp) -> Result<(), FleetError> {
        if digest(secret) != self.digest {
            return Err(FleetError::TokenUnknown);
        }
        if let Some(at) = self.used_at {
            return Err(FleetError::TokenUsed { at });
        }
        if at >= self.expires_at {
            return Err(FleetError::TokenExpired { at: self.expires_at });
        }
        if !name.as_str().eq_ignore_ascii_case(self.name.as_str()) {
            return Err(FleetError::TokenForOther {
                expected: self.name.clone(),
                given: name.clone(),
            });
        }
        Ok(())
    }
}

/// Stores tokens. Each method is one transaction.
#[async_trait]
pub trait Enrolments: Send + Sync + Debug {
    /// Stores a token.
    async fn add_enrolment(&self, enrolment: Enrolment) -> Result<(), FleetError>;

    /// Finds a token by its id.
    async fn enrolment(&self, id: EnrolmentId) -> Result<Option<Enrolment>, FleetError>;

    /// Marks a token as used, and returns whether it was not used before. Of several callers at the same time, one gets true.
    async fn use_enrolment(&self, id: EnrolmentId, at: Timestamp) -> Result<bool, FleetError>;
}
