//! Certificates of a fleet: an authority of its own, identities of masters and agents, and whom they trust.
//!
//! A fleet has one authority, which only its masters have. A master or an agent has an [`Identity`]: a key that never leaves its host,
//! and a certificate that the authority issued for it. Certificates last seven days and are renewed when two thirds are over.
//! [`Trust`] is what a peer needs to check others: the certificates of the authorities, two of them during a rotation, and what was
//! revoked. [`Credentials`] are both, and can be replaced while connections use them.
//!
//! Nothing here reads a clock, except the checks of TLS.

mod authority;
mod certificate;
mod credentials;
mod error;
mod fingerprint;
mod identity;
mod peers;
mod tls;
mod trust;

pub use authority::Authority;
pub use certificate::{CertificateInfo, CertificateRole, CertificateSubject};
pub use credentials::Credentials;
pub use error::PkiError;
pub use fingerprint::Fingerprint;
pub use identity::{Identity, KeyRequest};
pub(crate) use identity::{certificate as parse_certificate, read_if_any as read_file_if_any, write as write_file};
pub(crate) use peers::Peers;
pub(crate) use tls::{anonymous_config, client_config, server_config, untrusting_config};
pub use trust::{Revoked, Trust};

#[cfg(test)]
mod tests;
