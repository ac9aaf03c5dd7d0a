use decnet_topology::{Name, RepoError, ServiceName, Status, TopologyId};
use jiff::Timestamp;

use super::{AttackTracker, mutations::Mutations, path::AttackPath};
use crate::{
    engine::{Engine, EngineError},
    event::Place,
    logs::{LogCursor, LogItem, LogOptions},
};

impl Engine {
    /// Returns the ways of all attackers through the store's mazes, ordered by topology and first contact.
    ///
    /// They are found from the logs of the containers that exist. With a decky or a service in the options, only paths that touch it
    /// are returned, each of them whole. The options' `follow` and `cursor` have no effect.
    ///
    /// # Errors
    ///
    /// If the runtime or the store does not answer, or the topology of the options does not exist.
    pub async fn paths(&self, options: LogOptions) -> Result<Vec<AttackPath>, EngineError> {
        let mut logs = self.logs(whole(&options)).await?;
        let mut tracker = AttackTracker::default();
        while let Some(item) = logs.next().await.transpose()? {
            see(&mut tracker, &item);
        }
        self.selected_paths(&tracker, &options).await
    }

    /// Returns the ways of all attackers like [`paths`](Self::paths), found from the visits that a
    /// [`LogWriter`](crate::LogWriter) has stored. Their containers need not exist: the conversations of a topology that was torn
    /// down have ended.
    ///
    /// # Errors
    ///
    /// If the store does not answer, what it has is not an entry, or the topology of the options does not exist.
    pub async fn stored_paths(&self, options: LogOptions) -> Result<Vec<AttackPath>, EngineError> {
        let mut logs = self.stored_logs(whole(&options)).await?;
        let mut tracker = AttackTracker::default();
        while let Some(item) = logs.next().await.transpose()? {
            see(&mut tracker, &item);
        }
        for id in tracker.topologies() {
            if let Some(end) = self.end_of(id).await? {
                tracker.end_sessions(id, end);
            }
        }
        self.selected_paths(&tracker, &options).await
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
    async fn selected_paths(
        &self,
        tracker: &AttackTracker,
        options: &LogOptions,
    ) -> Result<Vec<AttackPath>, EngineError> {
        let mut paths = tracker.paths();
        paths.retain(|path| touches(path, options.decky.as_ref(), options.service.as_ref()));
        let mut mutations = Mutations::new(self.repo().as_ref());
        let now = Timestamp::now();
        for path in &mut paths {
            mutations.add(path, now).await?;
        }
        Ok(paths)
    }
}

/// Returns the options that select whole paths: all deckies and services, from the start to now.
fn whole(options: &LogOptions) -> LogOptions {
    LogOptions {
        decky: None,
        service: None,
        follow: false,
        cursor: LogCursor::default(),
        ..options.clone()
    }
}

fn see(tracker: &mut AttackTracker, item: &LogItem) {
    if let LogItem::Entry(entry) = item {
        tracker.see(entry);
    }
}

fn touches(path: &AttackPath, decky: Option<&Name>, service: Option<&ServiceName>) -> bool {
    let is_origin = |decky: &Name| matches!(&path.origin, Place::Decky(origin) if origin == decky);
    let is_touched = |decky: &Name| is_origin(decky) || path.moves.iter().any(|one| one.to == *decky);
    decky.is_none_or(is_touched)
        && service.is_none_or(|service| path.moves.iter().any(|one| one.services.contains(service)))
}
