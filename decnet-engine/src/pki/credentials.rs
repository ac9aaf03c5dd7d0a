use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use rustls::{
    client::WebPkiServerVerifier,
    crypto::ring,
    pki_types::CertificateDer,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};

use super::{CertificateInfo, Identity, PkiError, Trust};

/// The identity of a member of a fleet and whom it trusts. Both can be replaced at any time: the next handshake uses the new ones.
/// Clones share them.
#[derive(Debug, Clone)]
pub struct Credentials {
    identity: Arc<RwLock<Arc<Identity>>>,
    trusted: TrustCell,
}

/// Trust that can be replaced. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct TrustCell(Arc<RwLock<Arc<Trusted>>>);

impl TrustCell {
    pub(super) fn new(trust: Trust) -> Result<Self, PkiError> {
        Ok(Self(Arc::new(RwLock::new(Arc::new(Trusted::new(trust)?)))))
    }

    pub(super) fn get(&self) -> Arc<Trusted> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Trust, and the verifiers made of it.
#[derive(Debug)]
pub(super) struct Trusted {
    pub(super) trust: Trust,
    pub(super) clients: Arc<dyn ClientCertVerifier>,
    pub(super) servers: Arc<WebPkiServerVerifier>,
}

impl Trusted {
    fn new(trust: Trust) -> Result<Self, PkiError> {
        let roots = Arc::new(trust.root_store()?);
        let provider = Arc::new(ring::default_provider());
        let invalid = |error: rustls::server::VerifierBuilderError| PkiError::InvalidCertificate {
            what: "the certificate of the authority".into(),
            reason: error.to_string(),
        };
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider)).build();
        let servers = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
        Ok(Self {
            trust,
            clients: clients.map_err(invalid)?,
            servers: servers.map_err(invalid)?,
        })
    }
}

impl Credentials {
    /// Combines an identity and trust.
    pub fn new(identity: Identity, trust: Trust) -> Result<Self, PkiError> {
        Ok(Self {
            identity: Arc::new(RwLock::new(Arc::new(identity))),
            trusted: TrustCell::new(trust)?,
        })
    }

    /// Returns the identity.
    pub fn identity(&self) -> Arc<Identity> {
        Arc::clone(&self.identity.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the identity.
    pub fn set_identity(&self, identity: Identity) {
        *self.identity.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(identity);
    }

    /// Returns whom it trusts.
    pub fn trust(&self) -> Trust {
        self.trusted.get().trust.clone()
    }

    /// Replaces whom it trusts. Connections that are open are checked too, at their next request.
    pub fn set_trust(&self, trust: Trust) -> Result<(), PkiError> {
        let trusted = Arc::new(Trusted::new(trust)?);
        *self.trusted.0.write().unwrap_or_else(PoisonError::into_inner) = trusted;
        Ok(())
    }

    pub(super) fn trusted(&self) -> &TrustCell {
        &self.trusted
    }

    /// Returns why the certificate of an open connection is no longer accepted; none if it is.
    pub(crate) fn refusal(&self, certificate: &CertificateInfo, now: Timestamp) -> Option<String> {
        if !certificate.is_valid_at(now) {
            return Some(format!("its certificate expired at {}", certificate.not_after));
        }
        let is_revoked = self.trusted.get().trust.revoked.has(certificate);
        is_revoked.then(|| format!("the certificate {} was revoked", certificate.serial))
    }

    /// Returns what the certificate of a peer says, which TLS has verified.
    pub(crate) fn peer(certificates: Option<&[CertificateDer<'_>]>) -> Option<CertificateInfo> {
        CertificateInfo::read(certificates?.first()?).ok()
    }
}
