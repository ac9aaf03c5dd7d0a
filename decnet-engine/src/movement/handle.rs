use decnet_topology::{Name, RepoError, ServiceName, Status, TopologyId};
use jiff::Timestamp;
use serde::Serialize;

use super::{AttackTracker, mutations::Mutations, path::AttackPath};
use crate::{
    engine::{Engine, EngineError},
    event::Place,
    logs::{LogCursor, LogItem, LogOptions, Muted, muted},
    observe::Scope,
};

/// The paths of attackers, and what could not be read.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AttackPaths {
    /// The paths, ordered by topology and first contact.
    pub paths: Vec<AttackPath>,
    /// Notices: lines that Docker dropped, and logs that cannot be read. Paths may be incomplete then.
    pub notices: Vec<LogItem>,
}

impl Engine {
    /// Returns the paths of all attackers through the store's mazes, with notices of logs that could not be read.
    ///
    /// They are found from the logs of the containers that exist. With a decky or a service in the options, only paths that touch it
    /// are returned, each of them whole. A muted visitor has no path. The options' `follow` and `cursor` have no effect.
    ///
    /// # Errors
    ///
    /// If the runtime or the store does not answer, or the topology of the options does not exist.
    pub async fn paths(&self, options: LogOptions) -> Result<AttackPaths, EngineError> {
        let mut logs = self.logs(whole(&options)).await?;
        let mut reader = Reader::new(&options.muted);
        let instance = self.repo().instance().await?;
        let scope = match options.topology {
            Some(id) => Scope::Topology(instance, id),
            None => Scope::Instance(instance),
        };
        reader.tracker.know(&self.runtime().inspect(scope).await?.containers);
        while let Some(item) = logs.next().await.transpose()? {
            reader.see(item);
        }
        reader.tracker.end_stopped();
        self.selected_paths(reader, &options).await
    }

    /// Returns the paths of all attackers like [`paths`](Self::paths), found from the visits that a
    /// [`LogWriter`](crate::LogWriter) has stored. Their containers need not exist: the conversations of a topology that was torn
    /// down have ended. A damaged visit is left out with a warning.
    ///
    /// # Errors
    ///
    /// If the store does not answer, or the topology of the options does not exist.
    pub async fn stored_paths(&self, options: LogOptions) -> Result<AttackPaths, EngineError> {
        let mut logs = self.stored_logs(whole(&options)).await?;
        let mut reader = Reader::new(&options.muted);
        while let Some(item) = logs.next().await {
            match item {
                Err(EngineError::Repo(error @ RepoError::Corrupt { .. })) => {
                    tracing::warn!(%error, "a stored visit is skipped");
                }
                item => reader.see(item?),
            }
        }
        for id in reader.tracker.topologies() {
            if let Some(end) = self.end_of(id).await? {
                reader.tracker.end_sessions(id, end);
            }
        }
        self.selected_paths(reader, &options).await
    }

    /// Returns when a topology was torn down; none if it was not.
    async fn end_of(&self, id: TopologyId) -> Result<Option<Timestamp>, RepoError> {
        match self.repo().get(id).await {
            Ok(row) => Ok((row.status == Status::TornDown).then_some(row.changed_at)),
            // It was deleted a moment ago.
            Err(RepoError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the paths that the options select, with the mutations meanwhile.
    async fn selected_paths(&self, reader: Reader<'_>, options: &LogOptions) -> Result<AttackPaths, EngineError> {
        let mut paths = reader.tracker.paths();
        paths.retain(|path| touches(path, options.decky.as_ref(), options.service.as_ref()));
        let mut mutations = Mutations::new(self.repo().as_ref());
        let now = Timestamp::now();
        for path in &mut paths {
            mutations.add(path, now).await?;
        }
        Ok(AttackPaths {
            paths,
            notices: reader.notices,
        })
    }
}

/// Processes the items of logs.
struct Reader<'a> {
    tracker: AttackTracker,
    muted: &'a [Muted],
    notices: Vec<LogItem>,
}

impl<'a> Reader<'a> {
    fn new(muted: &'a [Muted]) -> Self {
        Self {
            tracker: AttackTracker::default(),
            muted,
            notices: Vec::new(),
        }
    }

    fn see(&mut self, item: LogItem) {
        match item {
            LogItem::Entry(entry) if muted::is_muted(self.muted, &entry) => self.tracker.skip(&entry),
            LogItem::Entry(entry) => {
                self.tracker.see(&entry);
            }
            notice if self.notices.len() < NOTICES => self.notices.push(notice),
            _ => {}
        }
    }
}

/// How many notices are kept.
const NOTICES: usize = 1_000;

/// Returns the options that select whole paths: all deckies, services and visitors, from the start to now.
fn whole(options: &LogOptions) -> LogOptions {
    LogOptions {
        decky: None,
        service: None,
        follow: false,
        cursor: LogCursor::default(),
        muted: Vec::new(),
        ..options.clone()
    }
}

fn touches(path: &AttackPath, decky: Option<&Name>, service: Option<&ServiceName>) -> bool {
    let is_origin = |decky: &Name| matches!(&path.origin, Place::Decky(origin) if origin == decky);
    let is_touched = |decky: &Name| is_origin(decky) || path.moves.iter().any(|one| one.to == *decky);
    decky.is_none_or(is_touched)
        && service.is_none_or(|service| path.moves.iter().any(|one| one.services.contains(service)))
}
