//! TLS to servers of logs.

use std::{error::Error, io, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use super::LogTargetError;

/// Returns the configuration of a client that trusts the authorities of a file, or those of this machine.
pub(super) fn client(ca: Option<&Path>) -> Result<ClientConfig, LogTargetError> {
    let from = ca.map_or("the store of certificates of this machine".into(), |path| {
        path.display().to_string()
    });
    let invalid = |reason: String| LogTargetError::InvalidCa {
        from: from.clone(),
        reason,
    };
    let roots = roots(ca).map_err(invalid)?;
    if roots.is_empty() {
        return Err(invalid("it has no certificate of an authority".into()));
    }
    trusting(roots).map_err(|error| invalid(error.to_string()))
}

/// Returns the configuration of a client that trusts nobody, for connections without TLS.
pub(super) fn none() -> Result<ClientConfig, LogTargetError> {
    trusting(RootCertStore::empty()).map_err(|error| LogTargetError::InvalidCa {
        from: "TLS".into(),
        reason: error.to_string(),
    })
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let Some(path) = ca else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return Ok(roots);
    };
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| error.to_string())? {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    Ok(roots)
}

fn trusting(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Returns whether the cause of an error is a certificate that is not trusted.
pub(super) fn is_distrust(error: &(dyn Error + 'static)) -> bool {
    if let Some(rustls::Error::InvalidCertificate(_)) = error.downcast_ref() {
        return true;
    }
    // The source of an I/O error skips the error that it wraps.
    let wrapped = error.downcast_ref().and_then(io::Error::get_ref);
    wrapped.is_some_and(|error| is_distrust(error)) || error.source().is_some_and(is_distrust)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_certificate_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let refused = |said: &str| {
            let error = client(Some(&path)).unwrap_err();
            assert_eq!(error.code(), "invalid_ca");
            let text = error.to_string();
            assert!(text.contains("ca.pem") && text.contains(said), "{text}");
        };
        refused("");
        std::fs::write(&path, "text").unwrap();
        refused("no certificate");
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        refused("");
    }
}
