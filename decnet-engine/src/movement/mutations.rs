//! The mutations that changed deckies while an attacker was in the maze.

use std::collections::{BTreeMap, BTreeSet};

use decnet_topology::{MutationId, Name, RecordedChange, Repo, RepoError, TopologyId};
use jiff::Timestamp;

use super::path::{AttackPath, MutationDuring};
use crate::event::Place;

/// The mutations of deckies, read from the store.
pub(super) struct Mutations<'a> {
    repo: &'a dyn Repo,
    changes: BTreeMap<TopologyId, Vec<RecordedChange>>,
    known: BTreeMap<MutationId, (String, Option<String>)>,
}

impl<'a> Mutations<'a> {
    pub(super) fn new(repo: &'a dyn Repo) -> Self {
        Self {
            repo,
            changes: BTreeMap::new(),
            known: BTreeMap::new(),
        }
    }

    /// Adds the mutations of a path. A path with an open conversation lasts until `now`.
    pub(super) async fn add(&mut self, path: &mut AttackPath, now: Timestamp) -> Result<(), RepoError> {
        let until = if path.open_sessions > 0 { now } else { path.last_seen };
        let mut touched: BTreeSet<Name> = path.moves.iter().map(|one| one.to.clone()).collect();
        if let Place::Decky(decky) = &path.origin {
            touched.insert(decky.clone());
        }
        let mut during: BTreeMap<MutationId, (Timestamp, BTreeSet<Name>)> = BTreeMap::new();
        for RecordedChange { at, mutation, change } in self.changes(path.topology).await? {
            if let Some(mutation) = mutation
                && (path.first_seen..=until).contains(at)
                && touched.contains(&change.decky)
            {
                let (_, deckies) = during.entry(*mutation).or_insert((*at, BTreeSet::new()));
                deckies.insert(change.decky.clone());
            }
        }
        for (mutation, (at, deckies)) in during {
            let (op, actor) = self.mutation(mutation).await?;
            path.mutations_during.push(MutationDuring {
                at,
                mutation,
                op,
                actor,
                deckies,
            });
        }
        path.mutations_during.sort_by_key(|one| one.at);
        Ok(())
    }

    async fn changes(&mut self, id: TopologyId) -> Result<&Vec<RecordedChange>, RepoError> {
        if !self.changes.contains_key(&id) {
            let changes = match self.repo.decky_changes(id, None).await {
                // It was deleted, and its containers are removed later.
                Err(RepoError::NotFound { .. }) => Vec::new(),
                changes => changes?,
            };
            self.changes.insert(id, changes);
        }
        Ok(self.changes.entry(id).or_default())
    }

    async fn mutation(&mut self, id: MutationId) -> Result<(String, Option<String>), RepoError> {
        if let Some(known) = self.known.get(&id) {
            return Ok(known.clone());
        }
        let row = self.repo.mutation(id).await?;
        let found = (row.mutation.op().to_owned(), row.actor);
        self.known.insert(id, found.clone());
        Ok(found)
    }
}
