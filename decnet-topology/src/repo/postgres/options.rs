//! How a store in PostgreSQL is opened.

use std::time::Duration;

use super::store::PostgresRepo;
use crate::repo::RepoError;

/// Whose clock measures leases and claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LeaseClock {
    /// The server's, by default: the clocks of the hosts that share the store may differ.
    #[default]
    Server,
    /// The caller's, as in the other stores. It is for tests and simulations, which choose the time.
    Caller,
}

/// The options to open a [`PostgresRepo`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
#[non_exhaustive]
pub struct PostgresOptions {
    /// How long to wait for a lock, for a connection, and for a server that restarts; 10 s by default.
    pub timeout: Duration,
    /// How many connections are open at most; 8 by default.
    pub connections: usize,
    /// Whose clock measures leases and claims.
    pub lease_clock: LeaseClock,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            connections: 8,
            lease_clock: LeaseClock::default(),
        }
    }
}

impl PostgresOptions {
    /// Sets how long to wait for a lock, for a connection, and for a server that restarts.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how many connections are open at most.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// Sets whose clock measures leases and claims.
    pub fn lease_clock(mut self, clock: LeaseClock) -> Self {
        self.lease_clock = clock;
        self
    }

    /// Opens the store in a database, as [`PostgresRepo::open`] does.
    pub async fn open(&self, address: &str) -> Result<PostgresRepo, RepoError> {
        PostgresRepo::connect(address, self).await
    }
}
