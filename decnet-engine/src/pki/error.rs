use std::{io, path::PathBuf};

use jiff::Timestamp;

/// Reports why a certificate, a key or a request cannot be used.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum PkiError {
    /// A text or a file is not a certificate.
    #[error("{what} is not a certificate: {reason}")]
    InvalidCertificate {
        /// Where it is from.
        what: String,
        /// What is wrong.
        reason: String,
    },
    /// A certificate is not one of a fleet.
    #[error("the certificate {serial} was not made for a fleet: {reason}")]
    ForeignCertificate {
        /// Its serial number.
        serial: String,
        /// What it lacks.
        reason: String,
    },
    /// A text or a file is not a private key, or belongs to another certificate.
    #[error("{what} is not a usable private key: {reason}")]
    InvalidKey {
        /// Where it is from.
        what: String,
        /// What is wrong.
        reason: String,
    },
    /// A request for a certificate is malformed or not signed by its key.
    #[error("the request for a certificate is not valid: {reason}")]
    InvalidRequest {
        /// What is wrong.
        reason: String,
    },
    /// A text is not a fingerprint.
    #[error("`{text}` is not a fingerprint: it has 64 hex digits")]
    InvalidFingerprint {
        /// The text.
        text: String,
    },
    /// A time cannot be in a certificate.
    #[error("{at} cannot be in a certificate")]
    InvalidTime {
        /// The time.
        at: Timestamp,
    },
    /// A certificate or a key could not be made.
    #[error("the {what} could not be made: {reason}")]
    NotMade {
        /// What it is.
        what: &'static str,
        /// The reason.
        reason: String,
    },
    /// Another agent uses the folder.
    #[error("another agent uses the folder {}", path.display())]
    FolderInUse {
        /// The folder.
        path: PathBuf,
    },
    /// A certificate that was just issued is not valid by this machine's clock.
    #[error(
        "the certificate is valid from {not_before} to {not_after}, and the clock of this machine says {now}: the clocks differ too much"
    )]
    ClockOff {
        /// The start of its validity.
        not_before: Timestamp,
        /// The end of its validity.
        not_after: Timestamp,
        /// The time of this machine.
        now: Timestamp,
    },
    /// A file with a key, or its folder, may be read by others.
    #[error("{} may be read by others (mode {mode:o}); remove their permissions", path.display())]
    ExposedKey {
        /// The file or folder.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A file could not be read.
    #[error("{} could not be read", path.display())]
    NotRead {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("{} could not be written", path.display())]
    NotWritten {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

impl PkiError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        self.into()
    }
}
