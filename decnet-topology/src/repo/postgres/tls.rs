//! TLS to the server.

use std::{error::Error, path::Path, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
};
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::address::{Address, Certificates, Proof};
use crate::repo::RepoError;

/// Returns what makes the TLS connections to a server. A file with certificates that cannot be read is refused.
pub(super) fn connector(address: &Address) -> Result<MakeRustlsConnect, RepoError> {
    let provider = Arc::new(ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let checked = match address.proof {
        Proof::None => None,
        Proof::Authority | Proof::Host if address.config.get_ssl_mode() == SslMode::Disable => None,
        Proof::Authority | Proof::Host => Some(verifier(&address.certificates, &provider)?),
    };
    let verifier: Arc<dyn ServerCertVerifier> = match (address.proof, checked) {
        (Proof::Host, Some(checked)) => checked,
        (_, authority) => Arc::new(Lenient { authority, algorithms }),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable("TLS cannot be used", &error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let config = match own(&address.certificates)? {
        Some((chain, key)) => builder
            .with_client_auth_cert(chain, key)
            .map_err(|error| unusable("sslcert and sslkey do not fit together", &error))?,
        None => builder.with_no_client_auth(),
    };
    Ok(MakeRustlsConnect::new(config))
}

/// Returns the check of a certificate by the named authorities, or by those of the system.
fn verifier(
    certificates: &Certificates,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, RepoError> {
    let mut authorities = RootCertStore::empty();
    match &certificates.authorities {
        Some(file) => {
            for certificate in read(file)? {
                authorities
                    .add(certificate)
                    .map_err(|error| unreadable("sslrootcert", file, &error))?;
            }
        }
        None => drop(authorities.add_parsable_certificates(rustls_native_certs::load_native_certs().certs)),
    }
    let builder = WebPkiServerVerifier::builder_with_provider(authorities.into(), Arc::clone(provider));
    builder
        .build()
        .map_err(|error| unusable("no authority is known for the server's certificate", &error))
}

/// Reads the certificates of a file; at least one.
fn read(file: &Path) -> Result<Vec<CertificateDer<'static>>, RepoError> {
    let refused = |error: rustls::pki_types::pem::Error| unreadable("certificates", file, &error);
    let certificates = CertificateDer::pem_file_iter(file).map_err(refused)?;
    let certificates: Vec<_> = certificates.collect::<Result<_, _>>().map_err(refused)?;
    if certificates.is_empty() {
        return Err(unreadable("certificates", file, &"it has none"));
    }
    Ok(certificates)
}

type Own = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn own(certificates: &Certificates) -> Result<Option<Own>, RepoError> {
    let (Some(own), Some(key)) = (&certificates.own, &certificates.key) else {
        return Ok(None);
    };
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable("sslkey", key, &error))?;
    Ok(Some((read(own)?, secret)))
}

fn unreadable(what: &str, file: &Path, error: &impl ToString) -> RepoError {
    let error = error.to_string();
    RepoError::DatabaseAddress {
        what: format!("the {what} in {} cannot be used: {error}", file.display()),
    }
}

fn unusable(what: &str, error: &impl Error) -> RepoError {
    RepoError::DatabaseAddress {
        what: format!("{what}: {error}"),
    }
}

/// Accepts a server whose certificate an authority signed for any host; without an authority, every server. The server must
/// still have the key of its certificate.
#[derive(Debug)]
struct Lenient {
    authority: Option<Arc<WebPkiServerVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(authority) = &self.authority else {
            return Ok(ServerCertVerified::assertion());
        };
        match authority.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            // The name is checked last.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
