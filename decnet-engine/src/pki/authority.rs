use std::{fmt, path::Path};

use decnet_topology::rng;
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use rustls::pki_types::CertificateDer;
use time::OffsetDateTime;

use super::{
    CertificateInfo, CertificateSubject, Fingerprint, Identity, KeyRequest, PkiError,
    certificate::{TOLERANCE, hex},
    identity::{certificate, read, read_key, write},
};

/// How long the certificate of an authority is valid.
const AUTHORITY_LIFE: SignedDuration = SignedDuration::from_hours(24 * 3650);

/// How long a certificate is valid that it issues.
const LIFE: SignedDuration = SignedDuration::from_hours(24 * 7);

/// The authority of a fleet: it issues the certificates of masters and agents.
pub struct Authority {
    certificate_pem: String,
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    life: SignedDuration,
}

impl Authority {
    /// Creates an authority with a new key.
    pub fn create(at: Timestamp) -> Result<Self, PkiError> {
        let key = KeyPair::generate().map_err(not_made("key"))?;
        let serial = serial();
        let mut params = params(at, AUTHORITY_LIFE, serial.clone())?;
        // Two authorities have different names, so that a verifier finds the right one at once.
        let name = format!("DECNET authority {}", &hex(&serial)[..8]);
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(not_made("certificate"))?;
        Ok(Self {
            certificate_pem: certificate.pem(),
            certificate: certificate.der().clone(),
            issuer: Issuer::new(params, key),
            life: LIFE,
        })
    }

    /// Reads an authority from PEM.
    pub fn from_pem(certificate_pem: &str, key_pem: &str) -> Result<Self, PkiError> {
        let what = "the certificate of the authority";
        let certificate = certificate(what, certificate_pem)?;
        let invalid_key = |reason: String| PkiError::InvalidKey {
            what: "the key of the authority".into(),
            reason,
        };
        let key = KeyPair::from_pem(key_pem).map_err(|error| invalid_key(error.to_string()))?;
        let invalid = |reason: String| PkiError::InvalidCertificate {
            what: what.into(),
            reason,
        };
        let (_, parsed) =
            x509_parser::parse_x509_certificate(&certificate).map_err(|error| invalid(error.to_string()))?;
        if !parsed.is_ca() {
            return Err(invalid("it may not issue certificates".into()));
        }
        if *parsed.public_key().subject_public_key.data != *key.public_key_raw() {
            return Err(invalid_key("it belongs to another certificate".into()));
        }
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(|error| invalid(error.to_string()))?;
        Ok(Self {
            certificate_pem: certificate_pem.into(),
            certificate,
            issuer,
            life: LIFE,
        })
    }

    /// Sets how long a certificate is valid that it issues. The default is seven days.
    #[must_use]
    pub fn lifetime(mut self, life: SignedDuration) -> Self {
        self.life = life;
        self
    }

    /// Reads an authority from two files. The one with the key must have mode 600.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, PkiError> {
        Self::from_pem(&read(certificate)?, &read_key(key)?)
    }

    /// Writes it to two files, the key first and with mode 600. Each file is replaced at once.
    pub fn save(&self, certificate: &Path, key: &Path) -> Result<(), PkiError> {
        write(key, &self.key_pem(), 0o600)?;
        write(certificate, &self.certificate_pem, 0o644)
    }

    /// Returns its certificate in PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Returns its private key in PEM. Who has it can give orders to all agents.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// Returns the hash of its certificate, for people and tokens.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.certificate)
    }

    /// Returns whether it issued a certificate, by the name of the issuer.
    pub fn has_issued(&self, certificate: &CertificateInfo) -> bool {
        let parsed = x509_parser::parse_x509_certificate(&self.certificate);
        parsed.is_ok_and(|(_, own)| own.subject().to_string() == certificate.issuer)
    }

    /// Issues a certificate for a request in PEM. Only the public key is taken from the request. The certificate is valid for the
    /// [lifetime](Self::lifetime), and since ten minutes before.
    ///
    /// # Errors
    ///
    /// [`PkiError::InvalidRequest`] if the request is malformed or not signed by its key.
    pub fn issue(&self, request_pem: &str, subject: &CertificateSubject, at: Timestamp) -> Result<String, PkiError> {
        let request = CertificateSigningRequestParams::from_pem(request_pem);
        let request = request.map_err(|error| PkiError::InvalidRequest {
            reason: error.to_string(),
        })?;
        let mut params = params(at, self.life, serial())?;
        let names = [
            (DnType::OrganizationalUnitName, subject.role().as_str()),
            (DnType::CommonName, subject.name().as_str()),
        ];
        for (kind, value) in names {
            params.distinguished_name.push(kind, value);
        }
        for name in subject.dns_names() {
            let name = name.try_into().map_err(not_made("certificate"))?;
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let issued = params.signed_by(&request.public_key, &self.issuer);
        Ok(issued.map_err(not_made("certificate"))?.pem())
    }

    /// Makes a new key and issues a certificate for it.
    pub fn identity(&self, subject: &CertificateSubject, at: Timestamp) -> Result<Identity, PkiError> {
        let request = KeyRequest::new()?;
        let issued = self.issue(request.request_pem(), subject, at)?;
        request.certified(&issued)
    }
}

/// Logs must not have the key.
impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority({})", self.fingerprint())
    }
}

fn not_made(what: &'static str) -> impl Fn(rcgen::Error) -> PkiError {
    move |error| PkiError::NotMade {
        what,
        reason: error.to_string(),
    }
}

/// Returns parameters that all certificates have.
fn params(at: Timestamp, life: SignedDuration, serial: Vec<u8>) -> Result<CertificateParams, PkiError> {
    let time = |at: Timestamp, by: SignedDuration| {
        let invalid = || PkiError::InvalidTime { at };
        let shifted = at.checked_add(by).map_err(|_| invalid())?;
        OffsetDateTime::from_unix_timestamp(shifted.as_second()).map_err(|_| invalid())
    };
    let mut params = CertificateParams::default();
    params.not_before = time(at, -TOLERANCE.min(life))?;
    params.not_after = time(at, life)?;
    params.serial_number = Some(SerialNumber::from(serial));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "DECNET");
    Ok(params)
}

/// Draws a serial number of 16 bytes: positive, and never shorter.
fn serial() -> Vec<u8> {
    let mut serial = rng::secret_bytes()[..16].to_vec();
    serial[0] = serial[0] & 0x3f | 0x40;
    serial
}
