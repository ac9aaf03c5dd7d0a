use std::{path::PathBuf, time::Duration};

use tokio_util::sync::CancellationToken;

/// The options of an agent.
#[derive(Debug, Clone)]
#[must_use]
#[non_exhaustive]
pub struct AgentOptions {
    /// Ends the agent. Streams end at once, and operations undo their changes.
    pub stop: CancellationToken,
    /// How long it waits for open requests when it stops. The default is ten seconds.
    pub grace: Duration,
    /// How long it waits for a master that does not read an answer. The default is 30 seconds.
    pub write_timeout: Duration,
    /// A file for the highest generation that it has seen. Without one, a restart forgets it.
    pub generation: Option<PathBuf>,
}

impl Default for AgentOptions {
    fn default() -> Self {
        Self {
            stop: CancellationToken::new(),
            grace: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            generation: None,
        }
    }
}

impl AgentOptions {
    /// Sets the token that ends the agent.
    pub fn stop(mut self, stop: CancellationToken) -> Self {
        self.stop = stop;
        self
    }

    /// Sets how long it waits for open requests when it stops.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Sets how long it waits for a master that does not read an answer.
    pub fn write_timeout(mut self, timeout: Duration) -> Self {
        self.write_timeout = timeout;
        self
    }

    /// Sets the file for the highest generation that it has seen.
    pub fn generation(mut self, path: impl Into<Option<PathBuf>>) -> Self {
        self.generation = path.into();
        self
    }
}
