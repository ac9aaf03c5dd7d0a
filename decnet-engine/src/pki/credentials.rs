use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use rustls::{
    client::WebPkiServerVerifier,
    crypto::ring,
    pki_types::CertificateDer,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};

use super::{Authority, CertificateInfo, CertificateSubject, Identity, PkiError, Trust};
use crate::causes;

/// The identity of a member of a fleet and whom it trusts. Both can be replaced at any time: the next handshake uses the new ones.
/// Clones share them.
///
/// Those of a master [have the authority](Self::issued). They renew their certificate at the first handshake after two thirds of its life.
#[derive(Debug, Clone)]
pub struct Credentials {
    identity: Arc<RwLock<Arc<Identity>>>,
    authority: Option<Arc<RwLock<Arc<Authority>>>>,
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
            authority: None,
            trusted: TrustCell::new(trust)?,
        })
    }

    /// Creates the credentials of a master, which has the authority itself.
    ///
    /// # Errors
    ///
    /// If the authority cannot issue the certificate, or if the certificate or the trust cannot be used for TLS.
    pub fn issued(
        authority: Authority,
        subject: &CertificateSubject,
        trust: Trust,
        at: Timestamp,
    ) -> Result<Self, PkiError> {
        let credentials = Self::new(authority.identity(subject, at)?, trust)?;
        Ok(Self {
            authority: Some(Arc::new(RwLock::new(Arc::new(authority)))),
            ..credentials
        })
    }

    /// Returns the authority of a master.
    pub(crate) fn authority(&self) -> Option<Arc<Authority>> {
        let authority = self.authority.as_ref()?;
        Some(Arc::clone(&authority.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Replaces the authority of a master, which then gets a certificate of it.
    pub(crate) fn set_authority(&self, authority: Authority, at: Timestamp) -> Result<(), PkiError> {
        if let Some(cell) = &self.authority {
            let identity = authority.identity(self.identity().subject(), at)?;
            *cell.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(authority);
            self.set_identity(identity);
        }
        Ok(())
    }

    /// Renews the certificate of a master if it is due.
    pub(crate) fn renew(&self, at: Timestamp) -> Result<(), PkiError> {
        let identity = self.identity();
        if let Some(authority) = self.authority()
            && identity.info().is_due(at)
        {
            self.set_identity(authority.identity(identity.subject(), at)?);
        }
        Ok(())
    }

    /// Returns the identity for a handshake, with a new certificate if it is due.
    pub(super) fn presented(&self, at: Timestamp) -> Arc<Identity> {
        if let Err(error) = self.renew(at) {
            tracing::warn!(error = causes::with_causes(&error), "the certificate cannot be renewed");
        }
        self.identity()
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
