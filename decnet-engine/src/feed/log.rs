//! The log of changes of a store, read as events.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use decnet_topology::{
    ChangeFilter, ChangeKind, Repo, RepoError, Sequence, StoreChange, TopologyId, TopologyName, TopologyRow,
};

use super::{
    TopologyNow,
    snapshot::{read, rows},
};
use crate::event::{Envelope, Event};

/// How many changes are read at a time.
const PAGE: usize = 256;

/// The changes of a store, each returned once and in order.
#[derive(Debug)]
pub(super) struct LogReader {
    repo: Arc<dyn Repo>,
    /// The topology to follow; none for all.
    only: Option<TopologyId>,
    names: BTreeMap<TopologyId, TopologyName>,
    /// The number up to which the log was read.
    read: Sequence,
    /// Changes that were read and not returned yet.
    waiting: VecDeque<StoreChange>,
}

/// A change as an event.
#[derive(Debug)]
pub(super) struct LoggedEvent {
    pub(super) envelope: Envelope,
    pub(super) name: String,
    pub(super) sequence: Sequence,
}

/// The result of a read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// There may be more changes.
    Full,
    /// It was the last page.
    Last,
    /// The log no longer has this many changes, or was replaced by another one.
    Missing(u64),
}

impl LogReader {
    /// Reads one topology, or all.
    pub(super) fn new(repo: Arc<dyn Repo>, only: Option<TopologyId>) -> Self {
        Self {
            repo,
            only,
            names: BTreeMap::new(),
            read: Sequence::START,
            waiting: VecDeque::new(),
        }
    }

    /// Returns the number up to which the log was read.
    pub(super) const fn position(&self) -> Sequence {
        self.read
    }

    /// Returns the name of a topology, if it is known.
    pub(super) fn name(&self, topology: TopologyId) -> Option<&TopologyName> {
        self.names.get(&topology)
    }

    /// Reads the current state. The changes after [`position`](Self::position) follow; the state may have some of them already.
    pub(super) async fn snapshot(&mut self) -> Result<Vec<TopologyNow>, RepoError> {
        // A change between the reads is in the later one, and follows as well.
        self.read = self.repo.latest_change().await?;
        let rows = self.rows().await?;
        read(self.repo.as_ref(), self.only, rows).await
    }

    /// Continues after a change. Returns false if later changes are no longer in the log.
    pub(super) async fn resume(&mut self, after: Sequence) -> Result<bool, RepoError> {
        match self.repo.changes_since(Some(after), &self.filter(0)).await {
            Err(RepoError::ChangesGone { .. }) => return Ok(false),
            page => drop(page?),
        }
        self.read = after;
        self.rows().await?;
        Ok(true)
    }

    async fn rows(&mut self) -> Result<Vec<TopologyRow>, RepoError> {
        let rows = rows(self.repo.as_ref(), self.only).await?;
        self.names = rows.iter().map(|row| (row.id, row.name.clone())).collect();
        Ok(rows)
    }

    fn filter(&self, limit: usize) -> ChangeFilter {
        ChangeFilter::default().topology(self.only).limit(limit)
    }

    /// Reads the next changes.
    pub(super) async fn read_page(&mut self) -> Result<Page, RepoError> {
        let page = match self.repo.changes_since(Some(self.read), &self.filter(PAGE)).await {
            Err(RepoError::ChangesGone { forgotten, latest, .. }) => {
                let missing = forgotten.get().saturating_sub(self.read.get()).max(1);
                self.read = if self.read < forgotten { forgotten } else { latest };
                return Ok(Page::Missing(missing));
            }
            page => page?,
        };
        let is_full = page.changes.len() >= PAGE;
        self.read = match page.changes.last() {
            Some(last) if is_full => last.sequence,
            // The rest concerns other topologies.
            _ => page.latest,
        };
        self.waiting.extend(page.changes);
        Ok(if is_full { Page::Full } else { Page::Last })
    }

    /// Returns how many changes were read and not returned yet.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Returns the number of the change that an event of a bus announces, if that was read and not returned yet.
    pub(super) fn announced(&self, event: &Event) -> Option<Sequence> {
        let change = self.waiting.iter().find(|change| announces(event, change));
        change.map(|change| change.sequence)
    }

    /// Returns the next change that was read, up to a number.
    pub(super) fn next_until(&mut self, last: Sequence) -> Option<LoggedEvent> {
        while self.waiting.front()?.sequence <= last {
            let change = self.waiting.pop_front()?;
            if change.what == ChangeKind::Deleted {
                self.names.remove(&change.topology);
            } else {
                self.names.insert(change.topology, change.name.clone());
            }
            let (name, sequence, at) = (change.name.to_string(), change.sequence, change.at);
            if let Some(event) = event(change) {
                return Some(LoggedEvent {
                    envelope: Envelope::new(event, at),
                    name,
                    sequence,
                });
            }
        }
        None
    }
}

/// Returns whether the store has the changes that events of this kind announce.
pub(super) const fn is_logged(event: &Event) -> bool {
    matches!(
        event,
        Event::Status { .. }
            | Event::Mutation { .. }
            | Event::Edited { .. }
            | Event::Settings { .. }
            | Event::Deleted { .. }
    )
}

/// Returns whether an event of a bus announces a change.
fn announces(event: &Event, change: &StoreChange) -> bool {
    event.topology() == Some(change.topology)
        && match (event, &change.what) {
            (
                Event::Status { from, to, .. },
                ChangeKind::Status {
                    from: before,
                    to: after,
                    ..
                },
            ) => (from, to) == (before, after),
            (
                Event::Mutation { mutation, state, .. },
                ChangeKind::Mutation {
                    mutation: id,
                    state: stored,
                    ..
                },
            ) => mutation == id && *state == (*stored).into(),
            (Event::Edited { version, .. }, ChangeKind::Edited) => *version == change.version,
            (Event::Settings { .. }, ChangeKind::Settings) | (Event::Deleted { .. }, ChangeKind::Deleted) => true,
            _ => false,
        }
}

/// Returns a change as an event; none for a kind that this program does not know.
fn event(change: StoreChange) -> Option<Event> {
    let StoreChange {
        topology,
        version,
        what,
        ..
    } = change;
    Some(match what {
        ChangeKind::Status { from, to, reason } => Event::Status {
            topology,
            from,
            to,
            reason,
        },
        ChangeKind::Mutation {
            mutation,
            op,
            state,
            actor,
            reason,
        } => Event::Mutation {
            topology,
            mutation,
            op,
            state: state.into(),
            actor,
            reason,
        },
        ChangeKind::Edited => Event::Edited { topology, version },
        ChangeKind::Settings => Event::Settings { topology },
        ChangeKind::Deleted => Event::Deleted { topology },
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
