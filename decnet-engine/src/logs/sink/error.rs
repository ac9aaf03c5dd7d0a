use std::{io, path::PathBuf};

use decnet_topology::RepoError;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// The reason why log items do not reach a target. No header and no path of a webhook is shown.
#[derive(Debug, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum LogTargetError {
    /// The text is not a target.
    #[error(
        "invalid target: {reason}; try syslog+udp://HOST:514, syslog+tcp://HOST:601, syslog+tls://HOST:6514, \
         https://HOST/PATH or a file"
    )]
    MalformedTarget {
        /// The reason.
        reason: String,
    },
    /// The text is not a header.
    #[error("invalid header `{name}`: {reason}; try `Authorization: Bearer TOKEN`")]
    MalformedHeader {
        /// The name; empty if there is none.
        name: String,
        /// The reason.
        reason: String,
    },
    /// An option does not fit the target.
    #[error("{target} cannot have {option}; only {fits} can")]
    WrongOption {
        /// The target.
        target: String,
        /// The option.
        option: &'static str,
        /// The targets that can have it.
        fits: &'static str,
    },
    /// A file cannot be written to.
    #[error("{} cannot be written", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The certificates of authorities cannot be used.
    #[error("{from} cannot be used: {reason}")]
    InvalidCa {
        /// The file with the certificates, or those of the system.
        from: String,
        /// The reason.
        reason: String,
    },
    /// The certificate of a server is not trusted.
    #[error("the certificate of {target} is not trusted")]
    UntrustedCertificate {
        /// The target.
        target: String,
        /// The cause.
        source: Source,
    },
    /// A server does not answer, or refuses lines at present.
    #[error("{target} is not available")]
    TargetUnavailable {
        /// The target.
        target: String,
        /// The cause.
        source: Source,
    },
    /// A webhook does not accept a batch, and would not accept it later.
    #[error("{target} refused {lines} lines with status {status}{}", said(.answer))]
    TargetRejected {
        /// The target.
        target: String,
        /// The number of lines in the batch.
        lines: usize,
        /// The HTTP status.
        status: u16,
        /// The start of the answer.
        answer: String,
    },
    /// The store does not accept visits.
    #[error(transparent)]
    Store(#[from] RepoError),
}

impl LogTargetError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            error => error.into(),
        }
    }
}

fn said(answer: &str) -> String {
    if answer.is_empty() {
        String::new()
    } else {
        format!(": {answer}")
    }
}
