use async_trait::async_trait;
use jiff::Timestamp;

use super::{Enrolment, HostChange, HostRow, RepoError};
use crate::id::{EnrolmentId, HostId};

/// Stores the hosts of a fleet: their authority, the tokens with which they join, and what their agents report.
#[async_trait]
pub trait HostStore: Send + Sync {
    /// Returns the authority of the fleet, a text that the store does not read; none if there is none yet.
    async fn fleet_authority(&self) -> Result<Option<String>, RepoError>;

    /// Stores the authority of the fleet if the stored one is as `expected`, and returns the one that is stored then.
    async fn set_fleet_authority(&self, expected: Option<&str>, authority: &str) -> Result<String, RepoError>;

    /// Stores a token, and removes those that have expired by the [clock of the leases](crate::LeaseStore::now) at `at`.
    async fn add_enrolment(&self, enrolment: Enrolment, at: Timestamp) -> Result<(), RepoError>;

    /// Finds a token by its id.
    async fn enrolment(&self, id: EnrolmentId) -> Result<Option<Enrolment>, RepoError>;

    /// Stores the host of a token, and marks the token as used. A host with the same id is replaced: it has joined again. It
    /// stays drained. It counts as heard now, by the [clock of the leases](crate::LeaseStore::now).
    ///
    /// The caller has checked the secret, and when the token expires by the clock of the leases. Of several callers at the same
    /// time, one succeeds.
    ///
    /// # Errors
    ///
    /// [`RepoError::EnrolmentNotFound`], also if the host was revoked since; [`RepoError::EnrolmentUsed`]; or
    /// [`RepoError::HostNameTaken`] if another host that was not revoked has the name; then the token can be used again.
    async fn enroll_host(&self, id: EnrolmentId, address: &str, at: Timestamp) -> Result<HostRow, RepoError>;

    /// Stores a heartbeat: the address of the agent, its report, and the time by the [clock of the leases](crate::LeaseStore::now).
    ///
    /// A heartbeat that was made before the last one of the same agent is ignored: it only arrived later. The store reads that from two
    /// fields of the report, `run` (an [`AgentRunId`](crate::AgentRunId)) and `made_at`. Without them, or with another `run`, the
    /// report is stored.
    ///
    /// # Errors
    ///
    /// [`RepoError::HostNotFound`] if there is no such host, or if it was revoked.
    async fn host_heard(&self, id: HostId, address: &str, report: &str, at: Timestamp) -> Result<(), RepoError>;

    /// Changes a host. A change that was made already changes nothing.
    ///
    /// # Errors
    ///
    /// [`RepoError::HostNotFound`] if there is no such host.
    async fn change_host(&self, id: HostId, change: HostChange, at: Timestamp) -> Result<HostRow, RepoError>;

    /// Returns all hosts, also the revoked ones, in order of joining and id.
    async fn hosts(&self) -> Result<Vec<HostRow>, RepoError>;
}
