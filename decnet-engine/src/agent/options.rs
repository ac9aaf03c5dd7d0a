use std::{path::PathBuf, time::Duration};

use tokio_util::sync::CancellationToken;

use super::{AgentFolder, AgentPlace};
use crate::logs::{LogTarget, LogWriterOptions};

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
    /// Where it keeps the highest generations and renewed certificates. Without a folder, a restart forgets them.
    pub folder: Option<AgentFolder>,
    /// The master that gets heartbeats; none by default.
    pub master: Option<AgentMaster>,
    /// Where the logs of pushed topologies go; nowhere by default.
    pub logs: Option<AgentLogs>,
    /// Removes everything that masters made on this host if no master answers a heartbeat, and none asks for anything, for this long: the
    /// pushed topology, and all resources of the stores that masters worked for. Off by default.
    ///
    /// A master that refuses a heartbeat has answered, for instance one whose database does not work. It has not if it refuses the
    /// certificate of the host, or does not know the host any more.
    ///
    /// The folder keeps the time of the last answer and these stores, so a restart forgets neither. A clock that was set changes nothing
    /// while the agent runs. After a start, heartbeats must fail for at least one period. Volumes that the catalogue keeps stay. If a master comes
    /// back, its loop deploys again what is missing.
    pub orphan_after: Option<Duration>,
}

impl Default for AgentOptions {
    fn default() -> Self {
        Self {
            stop: CancellationToken::new(),
            grace: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            folder: None,
            master: None,
            logs: None,
            orphan_after: None,
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

    /// Sets where it keeps the highest generations and renewed certificates.
    pub fn folder(mut self, folder: impl Into<Option<AgentFolder>>) -> Self {
        self.folder = folder.into();
        self
    }

    /// Sets the master that gets heartbeats.
    pub fn master(mut self, master: impl Into<Option<AgentMaster>>) -> Self {
        self.master = master.into();
        self
    }

    /// Sets where the logs of pushed topologies go. They are collected from the first push on.
    pub fn logs(mut self, logs: impl Into<Option<AgentLogs>>) -> Self {
        self.logs = logs.into();
        self
    }

    /// Sets after which silence of all masters their resources are removed. It needs a [master](Self::master).
    pub fn orphan_after(mut self, silence: impl Into<Option<Duration>>) -> Self {
        self.orphan_after = silence.into();
        self
    }
}

/// The master that gets the heartbeats of an agent.
#[derive(Debug, Clone)]
#[must_use]
#[non_exhaustive]
pub struct AgentMaster {
    /// Where it is, and where the agent is.
    pub place: AgentPlace,
    /// How often it gets a heartbeat. The default is ten seconds.
    pub every: Duration,
}

impl AgentMaster {
    /// Sends a heartbeat every ten seconds.
    pub fn new(place: AgentPlace) -> Self {
        Self {
            place,
            every: Duration::from_secs(10),
        }
    }

    /// Sets how often it gets a heartbeat.
    pub fn every(mut self, every: Duration) -> Self {
        self.every = every;
        self
    }
}

/// Where the logs of an agent go.
///
/// If they cannot be read or written, the agent tries it again with backoff, and continues after the position in the file. Without a
/// file, it starts with the oldest lines again.
#[derive(Debug, Clone)]
#[must_use]
#[non_exhaustive]
pub struct AgentLogs {
    /// The target.
    pub target: LogTarget,
    /// How lines are written.
    pub writer: LogWriterOptions,
    /// A file for the position, so that a restart repeats and loses nothing.
    pub cursor: Option<PathBuf>,
}

impl AgentLogs {
    /// Sends logs to a target, without a file for the position.
    pub fn new(target: LogTarget) -> Self {
        Self {
            target,
            writer: LogWriterOptions::default(),
            cursor: None,
        }
    }

    /// Sets how lines are written.
    pub fn writer(mut self, writer: LogWriterOptions) -> Self {
        self.writer = writer;
        self
    }

    /// Sets the file for the position.
    pub fn cursor(mut self, path: impl Into<Option<PathBuf>>) -> Self {
        self.cursor = path.into();
        self
    }
}
