//! TLS 1.3 between members of a fleet.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme,
    client::{
        ResolvesClientCert, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{
        ClientHello, ResolvesServerCert,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::CertifiedKey,
    version::TLS13,
};

use super::{CertificateInfo, Credentials, Peers, PkiError, Trust, credentials::TrustCell};

/// Returns the configuration of a server whose clients need a certificate, or may have one.
pub(crate) fn server_config(
    credentials: &Credentials,
    clients: Peers,
    is_needed: bool,
) -> Result<ServerConfig, PkiError> {
    let verifier = Verifier {
        trusted: credentials.trusted().clone(),
        peers: clients,
        is_needed,
    };
    let builder = ServerConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13]);
    let mut config = builder
        .map_err(|error| not_made(&error))?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(Presented(credentials.clone())));
    // A resumed session would skip the check of the certificate, which may have been revoked meanwhile.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// Returns the configuration of a client that presents a certificate.
pub(crate) fn client_config(credentials: &Credentials, servers: Peers) -> Result<ClientConfig, PkiError> {
    let verifier = Verifier {
        trusted: credentials.trusted().clone(),
        peers: servers,
        is_needed: true,
    };
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13]);
    let mut config = builder
        .map_err(|error| not_made(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(Presented(credentials.clone())));
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// Returns the configuration of a client that has no certificate yet.
pub(crate) fn anonymous_config(trust: Trust, servers: Peers) -> Result<ClientConfig, PkiError> {
    let verifier = Verifier {
        trusted: TrustCell::new(trust)?,
        peers: servers,
        is_needed: true,
    };
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13]);
    let config = builder
        .map_err(|error| not_made(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(config)
}

/// Returns the configuration of a client that does not know yet whom to trust. What it reads must be compared with a known hash.
pub(crate) fn untrusting_config() -> Result<ClientConfig, PkiError> {
    let builder = ClientConfig::builder_with_provider(provider()).with_protocol_versions(&[&TLS13]);
    let config = builder
        .map_err(|error| not_made(&error))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone(provider())))
        .with_no_client_auth();
    Ok(config)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn not_made(error: &Error) -> PkiError {
    PkiError::NotMade {
        what: "configuration of TLS",
        reason: error.to_string(),
    }
}

/// Presents the current certificate, which is renewed when it is due.
#[derive(Debug)]
struct Presented(Credentials);

impl ResolvesServerCert for Presented {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.presented(Timestamp::now()).certified())
    }
}

impl ResolvesClientCert for Presented {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.presented(Timestamp::now()).certified())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Accepts certificates of the trusted authorities that were not revoked, for some peers.
#[derive(Debug)]
struct Verifier {
    trusted: TrustCell,
    peers: Peers,
    is_needed: bool,
}

impl Verifier {
    /// Checks what the certificate says, after its signature.
    fn check(&self, certificate: &CertificateDer<'_>) -> Result<(), Error> {
        let info = CertificateInfo::read(certificate)
            .map_err(|_| Error::InvalidCertificate(CertificateError::NotValidForName))?;
        if self.trusted.get().trust.revoked.has(&info) {
            return Err(Error::InvalidCertificate(CertificateError::Revoked));
        }
        if !self.peers.have(&info) {
            return Err(Error::InvalidCertificate(
                CertificateError::ApplicationVerificationFailure,
            ));
        }
        Ok(())
    }

    fn servers(&self) -> Arc<WebPkiServerVerifier> {
        Arc::clone(&self.trusted.get().servers)
    }
}

impl ClientCertVerifier for Verifier {
    fn client_auth_mandatory(&self) -> bool {
        self.is_needed
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // A client has one certificate.
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let clients = Arc::clone(&self.trusted.get().clients);
        let verified = clients.verify_client_cert(certificate, others, now)?;
        self.check(certificate)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.servers().verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.servers().verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.servers().supported_verify_schemes()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self
            .servers()
            .verify_server_cert(certificate, others, name, ocsp, now)?;
        self.check(certificate)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        ClientCertVerifier::verify_tls12_signature(self, message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        ClientCertVerifier::verify_tls13_signature(self, message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.servers().supported_verify_schemes()
    }
}

/// Accepts any certificate whose key the server has.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
