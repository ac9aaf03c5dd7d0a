use std::fmt::Debug;

use async_trait::async_trait;
use decnet_topology::{HostId, Name};
use jiff::Timestamp;

use super::{FleetError, HostReport};

/// A host that has joined.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EnrolledHost {
    /// Its id.
    pub id: HostId,
    /// Its name.
    pub name: Name,
    /// The address of its agent: `host:port`.
    pub address: String,
    /// The serial number of its certificate.
    pub serial: String,
    /// When it joined.
    pub at: Timestamp,
}

/// Stores hosts and what their agents report. Each method is one transaction.
#[async_trait]
pub trait Hosts: Send + Sync + Debug {
    /// Stores a host that has joined. One with the same id is replaced: it has joined again.
    ///
    /// # Errors
    ///
    /// [`FleetError::NameTaken`] if another host has the name, ignoring case.
    async fn host_enrolled(&self, host: EnrolledHost) -> Result<(), FleetError>;

    /// Stores a heartbeat.
    ///
    /// # Errors
    ///
    /// [`FleetError::HostUnknown`] if there is no such host.
    async fn host_heard(&self, host: HostId, report: HostReport, at: Timestamp) -> Result<(), FleetError>;
}
