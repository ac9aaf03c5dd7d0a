//! Errors of connections, as errors of a runtime.

use decnet_topology::Name;

use crate::{
    peer::{PROTOCOL, PeerError},
    runtime::RuntimeError,
};

/// Returns the error of a request to the agent of a host. An error of the agent's own runtime arrives as it is.
pub(super) fn of(host: &Name, generation: u64, error: PeerError) -> RuntimeError {
    let host = host.to_string();
    match error {
        PeerError::Unreachable { address, reason } => RuntimeError::AgentUnreachable { host, address, reason },
        PeerError::NotTls { address } => RuntimeError::AgentUnreachable {
            host,
            address,
            reason: "another program listens there, which does not speak TLS".into(),
        },
        PeerError::Untrusted { address, reason } => RuntimeError::AgentUntrusted { host, address, reason },
        PeerError::Revoked { address } => RuntimeError::AgentUntrusted {
            host,
            address,
            reason: "it refuses the certificate of this program: it was revoked".into(),
        },
        PeerError::OtherVersion { theirs, .. } => RuntimeError::AgentVersion {
            host,
            theirs,
            ours: PROTOCOL,
        },
        PeerError::Refused {
            problem,
            reason,
            members,
            ..
        } => {
            let own = members.get("error").cloned();
            if let Some(error) = own.and_then(|error| serde_json::from_value(error).ok()) {
                return error;
            }
            match problem.as_str() {
                "superseded" => RuntimeError::AgentSuperseded {
                    host,
                    generation,
                    highest: members
                        .get("highest")
                        .and_then(serde_json::Value::as_u64)
                        .unwrap_or_default(),
                },
                _ => RuntimeError::AgentRefused { host, problem, reason },
            }
        }
        error => RuntimeError::AgentRefused {
            host,
            problem: error.code().to_owned(),
            reason: error.to_string(),
        },
    }
}
