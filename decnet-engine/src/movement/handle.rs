use decnet_topology::{Name, ServiceName};
use jiff::Timestamp;

use super::{AttackTracker, mutations::Mutations, path::AttackPath};
use crate::{
    engine::{Engine, EngineError},
    event::Place,
    logs::{LogItem, LogOptions},
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
        let (decky, service) = (options.decky.clone(), options.service.clone());
        let all = LogOptions {
            decky: None,
            service: None,
            follow: false,
            cursor: crate::logs::LogCursor::default(),
            ..options
        };
        let mut logs = self.logs(all).await?;
        let mut tracker = AttackTracker::default();
        while let Some(item) = logs.next().await.transpose()? {
            if let LogItem::Entry(entry) = item {
                tracker.see(&entry);
            }
        }
        let mut paths = tracker.paths();
        paths.retain(|path| touches(path, decky.as_ref(), service.as_ref()));
        let mut mutations = Mutations::new(self.repo().as_ref());
        let now = Timestamp::now();
        for path in &mut paths {
            mutations.add(path, now).await?;
        }
        Ok(paths)
    }
}

fn touches(path: &AttackPath, decky: Option<&Name>, service: Option<&ServiceName>) -> bool {
    let is_origin = |decky: &Name| matches!(&path.origin, Place::Decky(origin) if origin == decky);
    let is_touched = |decky: &Name| is_origin(decky) || path.moves.iter().any(|one| one.to == *decky);
    decky.is_none_or(is_touched)
        && service.is_none_or(|service| path.moves.iter().any(|one| one.services.contains(service)))
}
