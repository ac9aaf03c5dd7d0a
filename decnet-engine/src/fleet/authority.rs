//! The authority of a fleet, as it is stored.

use decnet_topology::{HostRow, Repo};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::FleetError;
use crate::pki::{Authority, Trust};

/// The authority that issues certificates, and those that are trusted besides, in PEM.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredAuthority {
    certificate: String,
    key: String,
    #[serde(default)]
    roots: Vec<String>,
}

impl StoredAuthority {
    /// Reads the authority of a store. A store without one gets a new one; of several masters, the first decides.
    pub(super) async fn load_or_create(repo: &dyn Repo, at: Timestamp) -> Result<Self, FleetError> {
        let text = if let Some(text) = repo.fleet_authority().await? {
            text
        } else {
            let created = Self::of(&Authority::create(at)?);
            let text = serde_json::to_string(&created).map_err(|error| damaged(&error))?;
            repo.set_fleet_authority(None, &text).await?
        };
        serde_json::from_str(&text).map_err(|error| damaged(&error))
    }

    fn of(authority: &Authority) -> Self {
        Self {
            certificate: authority.certificate_pem().into(),
            key: authority.key_pem(),
            roots: Vec::new(),
        }
    }

    /// Returns the authority that issues certificates.
    pub(super) fn authority(&self) -> Result<Authority, FleetError> {
        Ok(Authority::from_pem(&self.certificate, &self.key)?)
    }

    /// Returns whom all members trust: these authorities, without the hosts that were revoked.
    pub(super) fn trust(&self, hosts: &[HostRow]) -> Result<Trust, FleetError> {
        let mut trust = Trust::new(&self.certificate)?;
        for root in &self.roots {
            trust = trust.with_root(root)?;
        }
        let revoked = hosts.iter().filter(|host| host.revoked_at.is_some());
        trust.revoked.hosts = revoked.map(|host| host.id).collect();
        Ok(trust)
    }
}

fn damaged(error: &serde_json::Error) -> FleetError {
    FleetError::AuthorityDamaged {
        reason: error.to_string(),
    }
}
