//! The tables of a store inside one transaction.

use std::{collections::BTreeMap, ops::RangeInclusive};

use super::{
    Sql, corrupt,
    tables::{
        attachments, change_log, deckies, decky_changes, hosts, lans, leases, meta, mutations, status_events,
        topologies, visits,
    },
};
use crate::{
    id::{EnrolmentId, HostId, InstanceId, MutationId, Sequence, TopologyId},
    model::{Topology, TopologyRow},
    name::TopologyName,
    repo::{
        ChangeFilter, Enrolment, HostRow, Lease, MutationFilter, MutationPage, MutationRow, RecordedChange, RepoError,
        StoreChange, SubnetClaim, TopologyFilter, TopologyPage, Visit, VisitFilter, backend::Tables,
        rules::changes::LogBounds,
    },
    secret::InstallationSecret,
    status::StatusEvent,
};
use jiff::Timestamp;

/// The tables within a transaction.
pub(in crate::repo) struct SqlTables<'a>(pub(in crate::repo) &'a mut dyn Sql);

/// Returns the maze of a topology.
pub(in crate::repo) fn maze(sql: &mut dyn Sql, key: i64) -> Result<Topology, RepoError> {
    let lans = lans::list(sql, key)?;
    let attachments = attachments::list(sql, key)?;
    let deckies = deckies::list(sql, key, attachments)?;
    Topology::new(lans, deckies).map_err(|error| corrupt(error.to_string()))
}

/// Removes the maze of a topology. Referring rows are removed first, which saves SQLite a search for each row.
fn delete_maze(sql: &mut dyn Sql, key: i64) -> Result<(), RepoError> {
    attachments::delete(sql, key)?;
    deckies::delete(sql, key)?;
    lans::delete(sql, key)
}

impl SqlTables<'_> {
    fn key(&mut self, id: TopologyId) -> Result<i64, RepoError> {
        topologies::key(self.0, id)
    }
}

impl Tables for SqlTables<'_> {
    fn instance(&mut self) -> Result<InstanceId, RepoError> {
        meta::instance(self.0)
    }

    fn secret(&mut self) -> Result<InstallationSecret, RepoError> {
        meta::secret(self.0)
    }

    fn topology(&mut self, id: TopologyId) -> Result<TopologyRow, RepoError> {
        topologies::find(self.0, id)
    }

    fn topologies(&mut self, filter: &TopologyFilter) -> Result<TopologyPage, RepoError> {
        topologies::list(self.0, filter)
    }

    fn namesake(&mut self, name: &TopologyName) -> Result<Option<(TopologyName, TopologyId)>, RepoError> {
        topologies::namesake(self.0, name)
    }

    fn has_short_id(&mut self, id: TopologyId) -> Result<bool, RepoError> {
        topologies::has_short_id(self.0, id)
    }

    fn try_lock(&mut self, id: TopologyId) -> Result<bool, RepoError> {
        topologies::try_lock(self.0, id)
    }

    fn lock_placements(&mut self) -> Result<(), RepoError> {
        topologies::lock_placements(self.0)
    }

    fn lock_claims(&mut self) -> Result<(), RepoError> {
        topologies::lock_claims(self.0)
    }

    fn now(&mut self, at: Timestamp) -> Result<Timestamp, RepoError> {
        self.0.now(at)
    }

    fn insert_topology(&mut self, row: &TopologyRow) -> Result<(), RepoError> {
        topologies::insert(self.0, row)
    }

    fn update_topology(&mut self, row: &TopologyRow) -> Result<(), RepoError> {
        topologies::update(self.0, row)
    }

    fn update_status(&mut self, row: &TopologyRow) -> Result<(), RepoError> {
        topologies::update_status(self.0, row)
    }

    fn delete_topology(&mut self, id: TopologyId) -> Result<(), RepoError> {
        let key = self.key(id)?;
        delete_maze(self.0, key)?;
        topologies::delete(self.0, key)
    }

    fn events(&mut self, id: TopologyId) -> Result<Vec<StatusEvent>, RepoError> {
        let key = self.key(id)?;
        status_events::list(self.0, key)
    }

    fn append_event(&mut self, id: TopologyId, event: &StatusEvent) -> Result<(), RepoError> {
        let key = self.key(id)?;
        status_events::append(self.0, key, event)
    }

    fn maze(&mut self, id: TopologyId) -> Result<Topology, RepoError> {
        let key = self.key(id)?;
        maze(self.0, key)
    }

    fn pushed_deckies(&mut self) -> Result<BTreeMap<TopologyId, usize>, RepoError> {
        deckies::count_pushed(self.0)
    }

    fn set_maze(&mut self, id: TopologyId, maze: &Topology) -> Result<(), RepoError> {
        let key = self.key(id)?;
        delete_maze(self.0, key)?;
        lans::insert(self.0, key, maze.lans())?;
        deckies::insert(self.0, key, maze.deckies())?;
        attachments::insert(self.0, key, maze.deckies())
    }

    fn claims(
        &mut self,
        except: Option<TopologyId>,
        range: RangeInclusive<u32>,
    ) -> Result<Vec<SubnetClaim>, RepoError> {
        lans::claims(self.0, except, &range)
    }

    fn changes(&mut self, id: TopologyId, since: Option<Timestamp>) -> Result<Vec<RecordedChange>, RepoError> {
        let key = self.key(id)?;
        decky_changes::list(self.0, key, since)
    }

    fn append_changes(&mut self, id: TopologyId, changes: &[RecordedChange]) -> Result<(), RepoError> {
        let key = self.key(id)?;
        decky_changes::append(self.0, key, changes)
    }

    fn lease(&mut self, id: TopologyId) -> Result<Option<Lease>, RepoError> {
        let key = self.key(id)?;
        leases::find(self.0, key)
    }

    fn next_generation(&mut self, above: u64) -> Result<u64, RepoError> {
        meta::next_generation(self.0, above)
    }

    fn set_lease(&mut self, id: TopologyId, lease: &Lease) -> Result<(), RepoError> {
        let key = self.key(id)?;
        leases::write(self.0, key, lease)
    }

    fn delete_lease(&mut self, id: TopologyId) -> Result<(), RepoError> {
        let key = self.key(id)?;
        leases::delete(self.0, key)
    }

    fn mutation(&mut self, id: MutationId) -> Result<MutationRow, RepoError> {
        mutations::find(self.0, id)
    }

    fn mutations(&mut self, filter: &MutationFilter) -> Result<MutationPage, RepoError> {
        let key = filter.topology.map(|id| self.key(id)).transpose()?;
        mutations::list(self.0, key, filter)
    }

    fn first_unfinished(&mut self, topology: TopologyId) -> Result<Option<MutationRow>, RepoError> {
        let key = self.key(topology)?;
        mutations::first_unfinished(self.0, key)
    }

    fn with_unfinished(&mut self) -> Result<Vec<TopologyId>, RepoError> {
        mutations::with_unfinished(self.0)
    }

    fn insert_mutation(&mut self, row: MutationRow) -> Result<MutationRow, RepoError> {
        let key = self.key(row.topology)?;
        mutations::insert(self.0, key, row)
    }

    fn update_mutation(&mut self, row: &MutationRow) -> Result<(), RepoError> {
        mutations::update(self.0, row)
    }

    fn insert_visit(&mut self, visit: &Visit) -> Result<bool, RepoError> {
        let key = self.key(visit.topology)?;
        visits::insert(self.0, key, visit)
    }

    fn trim_visits(&mut self, id: TopologyId, keep: usize) -> Result<(), RepoError> {
        let key = self.key(id)?;
        visits::trim(self.0, key, keep)
    }

    fn visits(&mut self, filter: &VisitFilter) -> Result<Vec<Visit>, RepoError> {
        let key = match filter.topology.map(|id| self.key(id)) {
            Some(Err(RepoError::NotFound { .. })) => return Ok(Vec::new()),
            key => key.transpose()?,
        };
        visits::list(self.0, key, filter)
    }

    fn fleet_authority(&mut self) -> Result<Option<String>, RepoError> {
        hosts::authority(self.0)
    }

    fn set_fleet_authority(&mut self, authority: &str) -> Result<(), RepoError> {
        hosts::set_authority(self.0, authority)
    }

    fn put_enrolment(&mut self, enrolment: &Enrolment) -> Result<(), RepoError> {
        hosts::put_enrolment(self.0, enrolment)
    }

    fn delete_enrolments(&mut self, before: Timestamp) -> Result<(), RepoError> {
        hosts::delete_enrolments(self.0, before)
    }

    fn enrolment(&mut self, id: EnrolmentId) -> Result<Option<Enrolment>, RepoError> {
        hosts::enrolment(self.0, id)
    }

    fn put_host(&mut self, host: &HostRow) -> Result<(), RepoError> {
        hosts::put_host(self.0, host)
    }

    fn host(&mut self, id: HostId) -> Result<HostRow, RepoError> {
        hosts::host(self.0, id)
    }

    fn hosts(&mut self) -> Result<Vec<HostRow>, RepoError> {
        hosts::list(self.0)
    }

    fn append_to_log(&mut self, change: &StoreChange) -> Result<Sequence, RepoError> {
        change_log::append(self.0, change)
    }

    fn log_bounds(&mut self) -> Result<LogBounds, RepoError> {
        change_log::bounds(self.0)
    }

    fn log(&mut self, after: Sequence, filter: &ChangeFilter) -> Result<Vec<StoreChange>, RepoError> {
        change_log::list(self.0, after, filter)
    }

    fn trim_log(&mut self, last: Sequence) -> Result<(), RepoError> {
        change_log::trim(self.0, last)
    }
}
