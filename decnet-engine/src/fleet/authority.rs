//! The authority of a fleet, as it is stored.

use decnet_topology::{HostRow, Repo};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::FleetError;
use crate::pki::{Authority, Fingerprint, Trust};

/// The format of a stored authority. A text without a number has format 1, the first one. A change that older programs must not overlook
/// gets the next number, in the field `format`.
const FORMAT: u64 = 1;

/// The fields of a stored authority that this program knows.
const FIELDS: [&str; 6] = ["format", "certificate", "key", "roots", "next", "retired"];

/// The authority that issues certificates, and those that are trusted besides, in PEM.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredAuthority {
    #[serde(default = "first_format", skip_serializing_if = "is_first_format")]
    format: u64,
    certificate: String,
    key: String,
    #[serde(default)]
    roots: Vec<String>,
    /// The authority that issues after this one, while a rotation is not finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next: Option<Next>,
    /// The authorities that issued before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    retired: Vec<Retired>,
}

/// An authority that members trust, and that does not issue yet.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Next {
    certificate: String,
    key: String,
}

/// An authority that does not issue any more.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Retired {
    certificate: String,
    /// Until when it is trusted.
    until: Timestamp,
}

impl StoredAuthority {
    /// Reads the authority of a store. A store without one gets a new one; of several masters, the first decides.
    pub(super) async fn load_or_create(repo: &dyn Repo, at: Timestamp) -> Result<Self, FleetError> {
        let text = if let Some(text) = repo.fleet_authority().await? {
            text
        } else {
            let created = Self::of(&Authority::create(at)?).text()?;
            repo.set_fleet_authority(None, &created).await?
        };
        Self::parse(&text)
    }

    /// Stores this one in place of another. If the stored one is a third, that is returned.
    pub(super) async fn replace(&self, repo: &dyn Repo, other: &Self) -> Result<Result<(), Self>, FleetError> {
        let found = repo.fleet_authority().await?.unwrap_or_default();
        let parsed = Self::parse(&found)?;
        if parsed != *other {
            return Ok(Err(parsed));
        }
        let text = self.text()?;
        let stored = repo.set_fleet_authority(Some(&found), &text).await?;
        if stored == text {
            return Ok(Ok(()));
        }
        Ok(Err(Self::parse(&stored)?))
    }

    fn parse(text: &str) -> Result<Self, FleetError> {
        let value: serde_json::Value = serde_json::from_str(text).map_err(damaged)?;
        if let Some(what) = newer(&value) {
            return Err(FleetError::AuthorityNewer { what });
        }
        serde_json::from_value(value).map_err(damaged)
    }

    fn text(&self) -> Result<String, FleetError> {
        serde_json::to_string(self).map_err(damaged)
    }

    fn of(authority: &Authority) -> Self {
        Self {
            format: FORMAT,
            certificate: authority.certificate_pem().into(),
            key: authority.key_pem(),
            roots: Vec::new(),
            next: None,
            retired: Vec::new(),
        }
    }

    /// Returns the same with an authority that issues next.
    pub(super) fn with_next(&self, next: &Authority) -> Self {
        let next = Next {
            certificate: next.certificate_pem().into(),
            key: next.key_pem(),
        };
        Self {
            next: Some(next),
            ..self.clone()
        }
    }

    /// Returns the same with the next authority in place of this one, which is trusted until a time.
    pub(super) fn finished(&self, next: &Authority, until: Timestamp, at: Timestamp) -> Self {
        let mut retired = self.retired.clone();
        retired.retain(|retired| retired.until > at);
        retired.push(Retired {
            certificate: self.certificate.clone(),
            until,
        });
        Self {
            roots: self.roots.clone(),
            retired,
            ..Self::of(next)
        }
    }

    /// Returns the authority that issues certificates.
    pub(super) fn authority(&self) -> Result<Authority, FleetError> {
        Authority::from_pem(&self.certificate, &self.key).map_err(damaged)
    }

    /// Returns the authority that issues next.
    pub(super) fn next(&self) -> Result<Option<Authority>, FleetError> {
        let next = self.next.as_ref();
        let next = next.map(|next| Authority::from_pem(&next.certificate, &next.key));
        next.transpose().map_err(damaged)
    }

    /// Returns the authorities that issued before and are still trusted, and until when.
    pub(super) fn retired(&self, at: Timestamp) -> Result<Vec<(Fingerprint, Timestamp)>, FleetError> {
        let retired = self.retired.iter().filter(|retired| retired.until > at);
        let of = |retired: &Retired| {
            let trust = Trust::new(&retired.certificate).map_err(damaged)?;
            let fingerprints = trust.fingerprints().map_err(damaged)?.into_iter();
            Ok(fingerprints.map(|root| (root, retired.until)).collect::<Vec<_>>())
        };
        let found: Result<Vec<_>, FleetError> = retired.map(of).collect();
        Ok(found?.concat())
    }

    /// Returns whom all members trust: these authorities, without the hosts that were revoked.
    pub(super) fn trust(&self, hosts: &[HostRow], at: Timestamp) -> Result<Trust, FleetError> {
        let mut trust = Trust::new(&self.certificate).map_err(damaged)?;
        let next = self.next.iter().map(|next| &next.certificate);
        let retired = self.retired.iter().filter(|retired| retired.until > at);
        let retired = retired.map(|retired| &retired.certificate);
        for root in next.chain(&self.roots).chain(retired) {
            trust = trust.with_root(root).map_err(damaged)?;
        }
        let revoked = hosts.iter().filter(|host| host.revoked_at.is_some());
        trust.revoked.hosts = revoked.map(|host| host.id).collect();
        Ok(trust)
    }
}

const fn first_format() -> u64 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_first_format(format: &u64) -> bool {
    *format == 1
}

/// Returns what a newer program stored that this one does not know, if there is something.
fn newer(value: &serde_json::Value) -> Option<String> {
    let fields = value.as_object()?;
    if let Some(format) = fields.get("format").and_then(serde_json::Value::as_u64)
        && format > FORMAT
    {
        return Some(format!("format {format}"));
    }
    let unknown = fields.keys().find(|key| !FIELDS.contains(&key.as_str()));
    unknown.map(|key| format!("the field `{key}`"))
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` passes a value")]
fn damaged(error: impl ToString) -> FleetError {
    FleetError::AuthorityDamaged {
        reason: error.to_string(),
    }
}
