//! What a certificate of a fleet says.

use std::fmt;

use decnet_topology::{HostId, Name};
use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::{Fingerprint, PkiError};

/// The name that a master's certificate is valid for. The domain `internal` is reserved for private use.
pub(super) const MASTER: &str = "master.decnet.internal";

/// How long before its issue a certificate is valid. The clock of its holder or of a peer may be behind by as much.
pub(super) const TOLERANCE: SignedDuration = SignedDuration::from_mins(10);

/// What the names of an agent's certificate end with: the one with its id, and the one with its name.
const ID: &str = ".id.hosts.decnet.internal";
const NAME: &str = ".name.hosts.decnet.internal";

/// What the holder of a certificate may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CertificateRole {
    /// A master: it gives orders to agents.
    Master,
    /// An agent: it serves masters, and gives no orders.
    Agent,
}

impl CertificateRole {
    /// Returns it as the organizational unit of a certificate.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Agent => "agent",
        }
    }
}

impl fmt::Display for CertificateRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whom a certificate is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum CertificateSubject {
    /// A master.
    Master {
        /// Its name, for people.
        name: Name,
    },
    /// The agent of a host.
    Agent {
        /// The host.
        host: HostId,
        /// The name of the host.
        name: Name,
    },
}

impl CertificateSubject {
    /// Returns what the holder may be.
    pub const fn role(&self) -> CertificateRole {
        match self {
            Self::Master { .. } => CertificateRole::Master,
            Self::Agent { .. } => CertificateRole::Agent,
        }
    }

    /// Returns the name of its holder, for people.
    pub const fn name(&self) -> &Name {
        match self {
            Self::Master { name } | Self::Agent { name, .. } => name,
        }
    }

    /// Returns the host of an agent.
    pub const fn host(&self) -> Option<HostId> {
        match self {
            Self::Master { .. } => None,
            Self::Agent { host, .. } => Some(*host),
        }
    }

    /// Returns the DNS names in its certificate.
    pub(super) fn dns_names(&self) -> Vec<String> {
        match self {
            Self::Master { .. } => vec![MASTER.into()],
            Self::Agent { host, name } => {
                let name = name.as_str().to_ascii_lowercase();
                vec![id_name(*host), format!("{name}{NAME}")]
            }
        }
    }
}

impl fmt::Display for CertificateSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.role(), self.name())
    }
}

/// Returns the name in an agent's certificate that has the id of its host.
pub(super) fn id_name(host: HostId) -> String {
    format!("{host}{ID}")
}

/// What a certificate of a fleet says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateInfo {
    /// Whom it is for.
    pub subject: CertificateSubject,
    /// The name of the authority that issued it.
    pub issuer: String,
    /// Its serial number, in hex.
    pub serial: String,
    /// When its validity starts: some minutes before it was issued.
    pub not_before: Timestamp,
    /// When its validity ends.
    pub not_after: Timestamp,
    /// Its hash.
    pub fingerprint: Fingerprint,
}

impl CertificateInfo {
    /// Reads a certificate. It is not checked who signed it.
    pub(crate) fn read(certificate: &CertificateDer<'_>) -> Result<Self, PkiError> {
        let invalid = |reason: String| PkiError::InvalidCertificate {
            what: "this".into(),
            reason,
        };
        let (_, parsed) = X509Certificate::from_der(certificate).map_err(|error| invalid(error.to_string()))?;
        let serial = hex(parsed.raw_serial());
        let foreign = |reason: &str| PkiError::ForeignCertificate {
            serial: serial.clone(),
            reason: reason.into(),
        };
        let subject = subject(&parsed).ok_or_else(|| foreign("its subject is neither a master nor an agent"))?;
        let time = |seconds: i64| Timestamp::from_second(seconds).map_err(|error| invalid(error.to_string()));
        Ok(Self {
            subject,
            issuer: parsed.issuer().to_string(),
            not_before: time(parsed.validity().not_before.timestamp())?,
            not_after: time(parsed.validity().not_after.timestamp())?,
            serial,
            fingerprint: Fingerprint::of(certificate),
        })
    }

    /// Returns whether two thirds of its validity are over, so that it must be renewed.
    pub fn is_due(&self, now: Timestamp) -> bool {
        let whole = self.not_after.as_second() - self.not_before.as_second();
        now.as_second() >= self.not_before.as_second() + whole / 3 * 2
    }

    /// Returns when it was issued, to the second.
    pub(crate) fn issued_at(&self) -> Timestamp {
        let whole = self.not_after.duration_since(self.not_before);
        self.not_before + TOLERANCE.min(whole / 2)
    }

    /// Returns whether it is valid at a time.
    pub fn is_valid_at(&self, now: Timestamp) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }
}

/// Returns the subject if the organizational unit, the common name and the DNS names agree.
fn subject(parsed: &X509Certificate<'_>) -> Option<CertificateSubject> {
    let text = |mut attributes: Box<dyn Iterator<Item = &_> + '_>| {
        let attribute: Option<&x509_parser::x509::AttributeTypeAndValue<'_>> = attributes.next();
        attribute.and_then(|attribute| attribute.as_str().ok())
    };
    let unit = text(Box::new(parsed.subject().iter_organizational_unit()))?;
    let name: Name = text(Box::new(parsed.subject().iter_common_name()))?.parse().ok()?;
    let names = parsed.subject_alternative_name().ok()??;
    let names: Vec<&str> = names
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(*name),
            _ => None,
        })
        .collect();
    let subject = if unit == CertificateRole::Master.as_str() {
        CertificateSubject::Master { name }
    } else if unit == CertificateRole::Agent.as_str() {
        let host = names.iter().find_map(|name| name.strip_suffix(ID))?.parse().ok()?;
        CertificateSubject::Agent { host, name }
    } else {
        return None;
    };
    (subject.dns_names() == names).then_some(subject)
}

/// Prints bytes as hex digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
