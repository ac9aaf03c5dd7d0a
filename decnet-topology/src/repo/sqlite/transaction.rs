//! The tables of a store inside one transaction.

use std::ops::RangeInclusive;

use jiff::Timestamp;
use rusqlite::Transaction;

use super::{
    fault::{Fault, corrupt},
    tables::{
        attachments, change_log, deckies, decky_changes, lans, leases, meta, mutations, status_events,
        topologies::{self, key},
        visits,
    },
};
use crate::{
    id::{InstanceId, MutationId, Sequence, TopologyId},
    model::{Topology, TopologyRow},
    name::TopologyName,
    repo::{
        ChangeFilter, Lease, MutationFilter, MutationPage, MutationRow, RecordedChange, RepoError, StoreChange,
        SubnetClaim, TopologyFilter, TopologyPage, Visit, VisitFilter, backend::Tables, rules::changes::LogBounds,
    },
    secret::InstallationSecret,
    status::StatusEvent,
};

/// The tables within a transaction.
#[derive(Clone, Copy)]
pub(super) struct SqliteTables<'a>(pub(super) &'a Transaction<'a>);

/// Returns the maze of a topology.
pub(super) fn maze(moment: &Transaction<'_>, key: i64) -> Result<Topology, Fault> {
    let lans = lans::list(moment, key)?;
    let attachments = attachments::list(moment, key)?;
    let deckies = deckies::list(moment, key, attachments)?;
    Topology::new(lans, deckies).map_err(|error| corrupt(error.to_string()))
}

/// Removes the maze of a topology. Referring rows are removed first, which saves SQLite a search for each row.
fn delete_maze(tx: &Transaction<'_>, key: i64) -> Result<(), Fault> {
    attachments::delete(tx, key)?;
    deckies::delete(tx, key)?;
    lans::delete(tx, key)
}

impl Tables for SqliteTables<'_> {
    fn instance(&mut self) -> Result<InstanceId, RepoError> {
        Ok(meta::instance(self.0)?)
    }

    fn secret(&mut self) -> Result<InstallationSecret, RepoError> {
        Ok(meta::secret(self.0)?)
    }

    fn topology(&mut self, id: TopologyId) -> Result<TopologyRow, RepoError> {
        Ok(topologies::find(self.0, id)?)
    }

    fn topologies(&mut self, filter: &TopologyFilter) -> Result<TopologyPage, RepoError> {
        Ok(topologies::list(self.0, filter)?)
    }

    fn namesake(&mut self, name: &TopologyName) -> Result<Option<(TopologyName, TopologyId)>, RepoError> {
        Ok(topologies::namesake(self.0, name)?)
    }

    fn has_short_id(&mut self, id: TopologyId) -> Result<bool, RepoError> {
        Ok(topologies::has_short_id(self.0, id)?)
    }

    fn insert_topology(&mut self, row: &TopologyRow) -> Result<(), RepoError> {
        Ok(topologies::insert(self.0, row)?)
    }

    fn update_topology(&mut self, row: &TopologyRow) -> Result<(), RepoError> {
        Ok(topologies::update(self.0, row)?)
    }

    fn update_status(&mut self, row: &TopologyRow) -> Result<(), RepoError> {
        Ok(topologies::update_status(self.0, row)?)
    }

    fn delete_topology(&mut self, id: TopologyId) -> Result<(), RepoError> {
        let key = key(self.0, id)?;
        delete_maze(self.0, key)?;
        Ok(topologies::delete(self.0, key)?)
    }

    fn events(&mut self, id: TopologyId) -> Result<Vec<StatusEvent>, RepoError> {
        Ok(status_events::list(self.0, key(self.0, id)?)?)
    }

    fn append_event(&mut self, id: TopologyId, event: &StatusEvent) -> Result<(), RepoError> {
        Ok(status_events::append(self.0, key(self.0, id)?, event)?)
    }

    fn maze(&mut self, id: TopologyId) -> Result<Topology, RepoError> {
        Ok(maze(self.0, key(self.0, id)?)?)
    }

    fn set_maze(&mut self, id: TopologyId, maze: &Topology) -> Result<(), RepoError> {
        let key = key(self.0, id)?;
        delete_maze(self.0, key)?;
        lans::insert(self.0, key, maze.lans())?;
        deckies::insert(self.0, key, maze.deckies())?;
        Ok(attachments::insert(self.0, key, maze.deckies())?)
    }

    fn claims(
        &mut self,
        except: Option<TopologyId>,
        range: RangeInclusive<u32>,
    ) -> Result<Vec<SubnetClaim>, RepoError> {
        Ok(lans::claims(self.0, except, &range)?)
    }

    fn changes(&mut self, id: TopologyId, since: Option<Timestamp>) -> Result<Vec<RecordedChange>, RepoError> {
        Ok(decky_changes::list(self.0, key(self.0, id)?, since)?)
    }

    fn append_changes(&mut self, id: TopologyId, changes: &[RecordedChange]) -> Result<(), RepoError> {
        Ok(decky_changes::append(self.0, key(self.0, id)?, changes)?)
    }

    fn lease(&mut self, id: TopologyId) -> Result<Option<Lease>, RepoError> {
        Ok(leases::find(self.0, key(self.0, id)?)?)
    }

    fn set_lease(&mut self, id: TopologyId, lease: &Lease) -> Result<(), RepoError> {
        Ok(leases::write(self.0, key(self.0, id)?, lease)?)
    }

    fn delete_lease(&mut self, id: TopologyId) -> Result<(), RepoError> {
        Ok(leases::delete(self.0, key(self.0, id)?)?)
    }

    fn mutation(&mut self, id: MutationId) -> Result<MutationRow, RepoError> {
        Ok(mutations::find(self.0, id)?)
    }

    fn mutations(&mut self, filter: &MutationFilter) -> Result<MutationPage, RepoError> {
        let key = filter.topology.map(|id| key(self.0, id)).transpose()?;
        Ok(mutations::list(self.0, key, filter)?)
    }

    fn first_unfinished(&mut self, topology: TopologyId) -> Result<Option<MutationRow>, RepoError> {
        Ok(mutations::first_unfinished(self.0, key(self.0, topology)?)?)
    }

    fn with_unfinished(&mut self) -> Result<Vec<TopologyId>, RepoError> {
        Ok(mutations::with_unfinished(self.0)?)
    }

    fn insert_mutation(&mut self, row: MutationRow) -> Result<MutationRow, RepoError> {
        Ok(mutations::insert(self.0, key(self.0, row.topology)?, row)?)
    }

    fn update_mutation(&mut self, row: &MutationRow) -> Result<(), RepoError> {
        Ok(mutations::update(self.0, row)?)
    }

    fn insert_visit(&mut self, visit: &Visit) -> Result<bool, RepoError> {
        Ok(visits::insert(self.0, key(self.0, visit.topology)?, visit)?)
    }

    fn trim_visits(&mut self, id: TopologyId, keep: usize) -> Result<(), RepoError> {
        Ok(visits::trim(self.0, key(self.0, id)?, keep)?)
    }

    fn visits(&mut self, filter: &VisitFilter) -> Result<Vec<Visit>, RepoError> {
        let key = match filter.topology.map(|id| key(self.0, id)) {
            Some(Err(Fault::Refusal(RepoError::NotFound { .. }))) => return Ok(Vec::new()),
            key => key.transpose()?,
        };
        Ok(visits::list(self.0, key, filter)?)
    }

    fn append_to_log(&mut self, change: &StoreChange) -> Result<Sequence, RepoError> {
        Ok(change_log::append(self.0, change)?)
    }

    fn log_bounds(&mut self) -> Result<LogBounds, RepoError> {
        Ok(change_log::bounds(self.0)?)
    }

    fn log(&mut self, after: Sequence, filter: &ChangeFilter) -> Result<Vec<StoreChange>, RepoError> {
        Ok(change_log::list(self.0, after, filter)?)
    }

    fn trim_log(&mut self, last: Sequence) -> Result<(), RepoError> {
        Ok(change_log::trim(self.0, last)?)
    }
}
