use decnet_topology::HostId;

use rustls::pki_types::ServerName;

use super::{
    CertificateInfo, CertificateRole,
    certificate::{MASTER, id_name},
};

/// Whose certificates are accepted on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peers {
    /// Those of masters.
    Masters,
    /// Those of agents.
    Agents,
    /// Those of one agent.
    Agent(HostId),
}

impl Peers {
    /// Returns whether a certificate is accepted.
    pub(super) fn have(self, certificate: &CertificateInfo) -> bool {
        let role = certificate.subject.role();
        match self {
            Self::Masters => role == CertificateRole::Master,
            Self::Agents => role == CertificateRole::Agent,
            Self::Agent(host) => certificate.subject.host() == Some(host),
        }
    }

    /// Returns a name that their certificates are valid for.
    pub(crate) fn server_name(self) -> ServerName<'static> {
        let name = match self {
            Self::Masters => MASTER.into(),
            Self::Agents => "hosts.decnet.internal".into(),
            Self::Agent(host) => id_name(host),
        };
        ServerName::try_from(name).expect("these are DNS names")
    }
}
