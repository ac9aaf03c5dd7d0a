//! The mutations of one topology.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::{
    history,
    id::{ClaimToken, MutationId},
    model::{Topology, TopologyRow},
    repo::{
        Holder, MutationRow, RecordedChange, RepoError,
        rules::queue::{self, Dismissal},
    },
};

/// The mutations of one topology, and what they and its edits changed of its deckies.
#[derive(Debug, Default)]
pub(super) struct Queue {
    rows: BTreeMap<MutationId, MutationRow>,
    unfinished: BTreeSet<MutationId>,
    changes: Vec<RecordedChange>,
}

impl Queue {
    pub(super) fn rows(&self) -> impl Iterator<Item = &MutationRow> {
        self.rows.values()
    }

    pub(super) fn changes(&self) -> &[RecordedChange] {
        &self.changes
    }

    pub(super) fn insert(&mut self, row: MutationRow) {
        if !row.state.is_final() {
            self.unfinished.insert(row.id);
        }
        self.rows.insert(row.id, row);
    }

    pub(super) fn row(&self, id: MutationId) -> Result<&MutationRow, RepoError> {
        self.rows.get(&id).ok_or(RepoError::MutationNotFound { id })
    }

    /// Keeps what became of a mutation.
    pub(super) fn update(&mut self, row: MutationRow) {
        if row.state.is_final() {
            self.unfinished.remove(&row.id);
        }
        self.rows.insert(row.id, row);
    }

    pub(super) fn has_unfinished(&self) -> bool {
        !self.unfinished.is_empty()
    }

    /// Returns the first unfinished mutation, if it can be claimed.
    pub(super) fn claimable(
        &self,
        topology: &TopologyRow,
        superseding: Option<ClaimToken>,
        at: Timestamp,
    ) -> Option<MutationId> {
        let first = self.rows.get(self.unfinished.first()?)?;
        queue::is_claimable(first, topology, superseding, at).then_some(first.id)
    }

    pub(super) fn claim(
        &mut self,
        id: MutationId,
        holder: &Holder,
        time: SignedDuration,
        at: Timestamp,
    ) -> Option<MutationRow> {
        let row = self.rows.get_mut(&id)?;
        queue::claim(row, holder, time, at);
        Some(row.clone())
    }

    /// Finishes what waits of a topology that takes no mutations any more.
    pub(super) fn dismiss(&mut self, topology: &TopologyRow, at: Timestamp) {
        let Some(dismissal) = Dismissal::of(topology) else {
            return;
        };
        let rows = &mut self.rows;
        self.unfinished.retain(|id| {
            let concerned = rows.get_mut(id).filter(|row| dismissal.concerns(row));
            let is_concerned = concerned.is_some();
            if let Some(row) = concerned {
                dismissal.dismiss(row, at);
            }
            !is_concerned
        });
    }

    /// Keeps what an edit changed of the deckies.
    pub(super) fn record(&mut self, before: &Topology, after: &Topology, mutation: Option<MutationId>, at: Timestamp) {
        let changes = history::changes(before, after).into_iter();
        self.changes
            .extend(changes.map(|change| RecordedChange { at, mutation, change }));
    }
}
