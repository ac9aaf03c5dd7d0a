use std::{error::Error, io};

use bollard::errors::Error as Refusal;

use super::DockerHost;
use crate::{causes::with_causes, runtime::RuntimeError};

/// A failed request whose meaning depends on the request.
#[derive(Debug, Clone)]
pub(super) enum Failure {
    /// The daemon returned this status.
    Status { status: u16, message: String },
    /// The meaning is certain.
    Plain(RuntimeError),
}

impl Failure {
    /// Returns whether the daemon returned this status.
    pub(super) fn is(&self, wanted: u16) -> bool {
        matches!(self, Self::Status { status, .. } if *status == wanted)
    }

    /// Returns whether the daemon's message contains a text, ignoring case.
    pub(super) fn mentions(&self, text: &str) -> bool {
        matches!(self, Self::Status { message, .. } if message.to_lowercase().contains(text))
    }

    /// Returns the message to show.
    pub(super) fn message(&self) -> String {
        match self {
            Self::Status { message, .. } => message.trim().to_owned(),
            Self::Plain(error) => error.to_string(),
        }
    }
}

impl From<Failure> for RuntimeError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Status { status: 409, message } => Self::Conflict { reason: message },
            Failure::Status { message, .. } => Self::Refused { reason: message },
            Failure::Plain(error) => error,
        }
    }
}

pub(super) fn unreachable(host: &DockerHost, reason: String) -> RuntimeError {
    RuntimeError::Unreachable {
        endpoint: host.to_string(),
        reason,
    }
}

/// Explains a failed connection.
pub(super) fn explain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "the socket does not exist".into(),
        io::ErrorKind::PermissionDenied => {
            "permission denied; it is open to root and to members of the group docker".into()
        }
        io::ErrorKind::ConnectionRefused => "connection refused; nothing listens there".into(),
        _ => error.to_string(),
    }
}

/// Returns Docker's status for an error that Podman reports as an internal error.
pub(super) fn as_docker(status: u16, message: &str) -> u16 {
    const CONFLICTS: [&str; 3] = [
        "that name is already in use",
        "container state improper",
        "has dependent containers",
    ];
    if status == 500 && CONFLICTS.iter().any(|words| message.contains(words)) {
        409
    } else {
        status
    }
}

/// Returns the reason if the connection failed.
pub(super) fn connection_error(refusal: &Refusal) -> Option<String> {
    // This error does not return its inner error as `source`.
    if let Refusal::IOError { err } = refusal {
        return Some(explain(err));
    }
    let mut cause: Option<&(dyn Error + 'static)> = Some(refusal);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(explain(error));
        }
        cause = error.source();
    }
    match refusal {
        Refusal::HyperLegacyError { .. } | Refusal::HyperResponseError { .. } => {
            Some(format!("the connection failed: {}", with_causes(refusal)))
        }
        Refusal::SocketNotFoundError(_) => Some("the socket does not exist".into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_connection_is_distinguished_from_a_refusal() {
        let broken = io::Error::from(io::ErrorKind::ConnectionReset);
        assert_eq!(
            connection_error(&Refusal::IOError { err: broken }),
            Some("connection reset".into())
        );
        let refused = Refusal::DockerStreamError { error: "no".into() };
        assert_eq!(connection_error(&refused), None);
    }

    #[test]
    fn conflicts_that_podman_reports_as_internal_errors_are_conflicts() {
        let taken = r#"container create: creating container storage: the container name "web.telnet" is already in use by c81f2f. You have to remove that container to be able to reuse that name: that name is already in use"#;
        let stopped = "can only create exec sessions on running containers: container state improper";
        assert_eq!((as_docker(500, taken), as_docker(500, stopped)), (409, 409));
        assert_eq!(
            (as_docker(500, "no space left on device"), as_docker(404, stopped)),
            (500, 404)
        );
    }

    #[test]
    fn a_denied_socket_is_reported_with_the_allowed_users() {
        let said = explain(&io::Error::from(io::ErrorKind::PermissionDenied));
        assert!(said.contains("group docker"), "{said}");
        let endpoint = "unix:///run/docker.sock".to_owned();
        let refused = |reason: &str| RuntimeError::Unreachable {
            endpoint: endpoint.clone(),
            reason: reason.into(),
        };
        assert!(refused(&said).is_denied() && !refused("connection reset").is_denied());
    }
}
