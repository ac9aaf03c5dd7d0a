use std::time::Duration;

use decnet_topology::{HostId, Name};

/// How an agent is reached.
#[derive(Debug, Clone)]
#[must_use]
#[non_exhaustive]
pub struct RemoteOptions {
    /// The host. The agent must have a certificate for it.
    pub host: HostId,
    /// The name of the host, for people.
    pub name: Name,
    /// The address of the agent: `host:port`.
    pub address: String,
    /// How long a connection and a sign of life may take. The default is five seconds.
    pub timeout: Duration,
}

impl RemoteOptions {
    /// Returns the default options for an agent.
    pub fn new(host: HostId, name: Name, address: impl Into<String>) -> Self {
        Self {
            host,
            name,
            address: address.into(),
            timeout: Duration::from_secs(5),
        }
    }

    /// Sets how long a connection and a sign of life may take.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}
