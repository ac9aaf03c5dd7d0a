use std::{collections::BTreeSet, path::Path};

use decnet_topology::HostId;
use rustls::{RootCertStore, pki_types::CertificateDer};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    Authority, CertificateInfo, Fingerprint, PkiError,
    certificate::hex,
    identity::{certificate, read, write},
};

/// What was revoked. A certificate is refused if its serial number or its host is listed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoked {
    /// Serial numbers, in hex.
    pub serials: BTreeSet<String>,
    /// Hosts: all their certificates.
    pub hosts: BTreeSet<HostId>,
}

impl Revoked {
    /// Returns whether a certificate is refused.
    pub fn has(&self, certificate: &CertificateInfo) -> bool {
        let host = certificate.subject.host();
        self.serials.contains(&certificate.serial) || host.is_some_and(|host| self.hosts.contains(&host))
    }
}

/// Whom a member of a fleet trusts.
///
/// A rotation of the authority has three steps: the new authority is added and all members get the new trust; then it issues all
/// certificates; when every certificate of the old one was renewed or has expired, after seven days at the latest, the old one is
/// removed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    /// Certificates of authorities in PEM, the one that issues now first.
    roots: Vec<String>,
    /// What was revoked.
    #[serde(default)]
    pub revoked: Revoked,
}

impl Trust {
    /// Trusts one authority, by its certificate in PEM.
    pub fn new(root: &str) -> Result<Self, PkiError> {
        Self::default().with_root(root)
    }

    /// Trusts an authority.
    pub fn of(authority: &Authority) -> Self {
        Self {
            roots: vec![authority.certificate_pem().into()],
            revoked: Revoked::default(),
        }
    }

    /// Adds an authority, by its certificate in PEM.
    pub fn with_root(mut self, root: &str) -> Result<Self, PkiError> {
        let added = root_of(root)?;
        if !self.fingerprints()?.contains(&added) {
            self.roots.push(root.into());
        }
        Ok(self)
    }

    /// Removes an authority.
    #[must_use]
    pub fn without_root(mut self, root: Fingerprint) -> Self {
        self.roots.retain(|known| root_of(known).ok() != Some(root));
        self
    }

    /// Returns the hashes of the authorities.
    pub fn fingerprints(&self) -> Result<Vec<Fingerprint>, PkiError> {
        self.roots.iter().map(|root| root_of(root)).collect()
    }

    /// Returns a digest of its content, to compare two of them.
    pub fn digest(&self) -> String {
        let text = serde_json::to_vec(self).unwrap_or_default();
        hex(&Sha256::digest(text))
    }

    /// Reads it from a file.
    pub fn load(path: &Path) -> Result<Self, PkiError> {
        let trust: Self = serde_json::from_str(&read(path)?).map_err(|error| PkiError::InvalidCertificate {
            what: path.display().to_string(),
            reason: error.to_string(),
        })?;
        trust.root_store()?;
        Ok(trust)
    }

    /// Writes it to a file, which is replaced at once.
    pub fn save(&self, path: &Path) -> Result<(), PkiError> {
        write(path, &format!("{:#}\n", serde_json::json!(self)), 0o644)
    }

    pub(super) fn root_store(&self) -> Result<RootCertStore, PkiError> {
        let mut store = RootCertStore::empty();
        for root in &self.roots {
            store.add(parsed(root)?).map_err(|error| invalid(&error.to_string()))?;
        }
        if store.is_empty() {
            return Err(invalid("there is none"));
        }
        Ok(store)
    }
}

fn invalid(reason: &str) -> PkiError {
    PkiError::InvalidCertificate {
        what: "the certificate of the authority".into(),
        reason: reason.into(),
    }
}

fn parsed(root: &str) -> Result<CertificateDer<'static>, PkiError> {
    certificate("the certificate of the authority", root)
}

fn root_of(root: &str) -> Result<Fingerprint, PkiError> {
    Ok(Fingerprint::of(&parsed(root)?))
}
