use std::{
    fmt,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
    sync::Arc,
};

use jiff::Timestamp;
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::{
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};

use super::{CertificateInfo, CertificateSubject, PkiError};

/// A new key, and the request for its certificate.
pub struct KeyRequest {
    key: KeyPair,
    request: String,
}

impl KeyRequest {
    /// Creates a key and a request. Only the public key of the request counts: the authority decides what the certificate says.
    pub fn new() -> Result<Self, PkiError> {
        let not_made = |error: rcgen::Error| PkiError::NotMade {
            what: "key",
            reason: error.to_string(),
        };
        let key = KeyPair::generate().map_err(not_made)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "decnet");
        let request = params.serialize_request(&key).map_err(not_made)?;
        Ok(Self {
            request: request.pem().map_err(not_made)?,
            key,
        })
    }

    /// Returns the request in PEM.
    pub fn request_pem(&self) -> &str {
        &self.request
    }

    /// Returns the identity with the certificate that was issued for the request.
    pub fn certified(self, certificate_pem: &str) -> Result<Identity, PkiError> {
        Identity::from_pem(certificate_pem, &self.key.serialize_pem())
    }
}

impl fmt::Debug for KeyRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRequest").finish_non_exhaustive()
    }
}

/// A key and its certificate.
#[derive(Clone)]
pub struct Identity {
    certificate_pem: String,
    key_pem: String,
    info: CertificateInfo,
    certified: Arc<CertifiedKey>,
}

impl Identity {
    /// Reads an identity from PEM.
    pub fn from_pem(certificate_pem: &str, key_pem: &str) -> Result<Self, PkiError> {
        let certificate = certificate("the certificate", certificate_pem)?;
        let info = CertificateInfo::read(&certificate)?;
        let invalid = |reason: String| PkiError::InvalidKey {
            what: format!("the key of {}", info.subject),
            reason,
        };
        let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).map_err(|error| invalid(error.to_string()))?;
        // This fails if the key belongs to another certificate.
        let certified = CertifiedKey::from_der(vec![certificate], key, &ring::default_provider());
        Ok(Self {
            certified: Arc::new(certified.map_err(|error| invalid(error.to_string()))?),
            certificate_pem: certificate_pem.into(),
            key_pem: key_pem.into(),
            info,
        })
    }

    /// Reads an identity from a file with the certificate and then the key, which must have mode 600.
    pub fn load(path: &Path) -> Result<Self, PkiError> {
        let text = read_key(path)?;
        let (certificate, key) = text.split_at(text.find("-----BEGIN PRIVATE KEY").unwrap_or(text.len()));
        Self::from_pem(certificate, key).map_err(|error| match error {
            PkiError::InvalidCertificate { reason, .. } => PkiError::InvalidCertificate {
                what: path.display().to_string(),
                reason,
            },
            PkiError::InvalidKey { reason, .. } => PkiError::InvalidKey {
                what: path.display().to_string(),
                reason,
            },
            error => error,
        })
    }

    /// Writes it to one file with mode 600. The file is replaced at once, so that the key and the certificate always belong together.
    pub fn save(&self, path: &Path) -> Result<(), PkiError> {
        write(path, &format!("{}{}", self.certificate_pem, self.key_pem), 0o600)
    }

    /// Returns what a certificate in PEM says.
    #[cfg(test)]
    pub(crate) fn read_certificate(pem: &str) -> Result<CertificateInfo, PkiError> {
        CertificateInfo::read(&certificate("the certificate", pem)?)
    }

    /// Returns what its certificate says.
    pub const fn info(&self) -> &CertificateInfo {
        &self.info
    }

    /// Returns whom it is for.
    pub const fn subject(&self) -> &CertificateSubject {
        &self.info.subject
    }

    /// Returns its certificate in PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Checks that the certificate is valid by this machine's clock.
    ///
    /// # Errors
    ///
    /// [`PkiError::ClockOff`] if it is not. A certificate is valid from ten minutes before it was issued, so this clock may be up to
    /// ten minutes behind that of the master.
    pub fn check_clock(&self, now: Timestamp) -> Result<(), PkiError> {
        if self.info.is_valid_at(now) {
            return Ok(());
        }
        Err(PkiError::ClockOff {
            not_before: self.info.not_before,
            not_after: self.info.not_after,
            now,
        })
    }

    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }
}

/// Logs must not have the key.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

/// Reads the first certificate of a PEM text.
pub(crate) fn certificate(what: &str, pem: &str) -> Result<CertificateDer<'static>, PkiError> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| PkiError::InvalidCertificate {
        what: what.into(),
        reason: error.to_string(),
    })
}

pub(super) fn read(path: &Path) -> Result<String, PkiError> {
    fs::read_to_string(path).map_err(|source| PkiError::NotRead {
        path: path.into(),
        source,
    })
}

/// Reads a file; none if it does not exist.
pub(crate) fn read_if_any(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads a file with a key, which others may not read.
pub(super) fn read_key(path: &Path) -> Result<String, PkiError> {
    if let Ok(found) = fs::metadata(path) {
        let mode = found.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(PkiError::ExposedKey {
                path: path.into(),
                mode,
            });
        }
    }
    read(path)
}

/// Replaces a file at once: a crash leaves the old or the new one.
pub(crate) fn write(path: &Path, text: &str, mode: u32) -> Result<(), PkiError> {
    let write = || -> io::Result<()> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let new = path.with_file_name(name);
        // A leftover of a crash may have another mode.
        if let Err(error) = fs::remove_file(&new)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    write().map_err(|source| PkiError::NotWritten {
        path: path.into(),
        source,
    })
}
