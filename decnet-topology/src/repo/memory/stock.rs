//! The tables in memory.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::RangeInclusive,
};

use jiff::Timestamp;

use crate::{
    id::{self, EnrolmentId, HostId, InstanceId, MutationId, Sequence, TopologyId},
    model::{Topology, TopologyRow},
    name::TopologyName,
    repo::{
        ChangeFilter, Enrolment, HostRow, Lease, MutationFilter, MutationPage, MutationRow, RecordedChange, RepoError,
        StoreChange, SubnetClaim, TopologyFilter, TopologyPage, Visit, VisitFilter,
        backend::Tables,
        rules::{self, changes::LogBounds},
    },
    rng,
    secret::InstallationSecret,
    status::{Mode, Status, StatusEvent},
};

/// The contents of the store.
#[derive(Debug)]
pub(super) struct Stock {
    instance: InstanceId,
    secret: InstallationSecret,
    topologies: BTreeMap<TopologyId, Entry>,
    mutations: BTreeMap<MutationId, MutationRow>,
    unfinished: BTreeSet<(TopologyId, MutationId)>,
    /// The number of a mutation is not reused after its topology was deleted.
    last_mutation: u64,
    /// The generation of the lease that was acquired last.
    last_generation: u64,
    visits: BTreeMap<(TopologyId, String), Visit>,
    authority: Option<String>,
    enrolments: BTreeMap<EnrolmentId, Enrolment>,
    hosts: BTreeMap<HostId, HostRow>,
    /// The log of changes, which end at `last_change`. The oldest were removed.
    log: VecDeque<StoreChange>,
    last_change: u64,
}

/// One topology with everything that refers to it, except its mutations.
#[derive(Debug)]
struct Entry {
    row: TopologyRow,
    maze: Topology,
    events: Vec<StatusEvent>,
    changes: Vec<RecordedChange>,
    lease: Option<Lease>,
}

impl Stock {
    pub(super) fn new() -> Self {
        Self {
            instance: rng::instance_id(),
            secret: rng::installation_secret(),
            topologies: BTreeMap::new(),
            mutations: BTreeMap::new(),
            unfinished: BTreeSet::new(),
            last_mutation: 0,
            last_generation: 0,
            visits: BTreeMap::new(),
            authority: None,
            enrolments: BTreeMap::new(),
            hosts: BTreeMap::new(),
            log: VecDeque::new(),
            last_change: 0,
        }
    }

    fn entry(&self, id: TopologyId) -> Result<&Entry, RepoError> {
        self.topologies.get(&id).ok_or(RepoError::NotFound { id })
    }

    fn entry_mut(&mut self, id: TopologyId) -> Result<&mut Entry, RepoError> {
        self.topologies.get_mut(&id).ok_or(RepoError::NotFound { id })
    }

    /// Returns the topologies that are not torn down.
    fn alive(&self) -> impl Iterator<Item = &Entry> {
        let entries = self.topologies.values();
        entries.filter(|entry| entry.row.status != Status::TornDown)
    }

    fn set_mutation(&mut self, row: MutationRow) {
        let key = (row.topology, row.id);
        if row.state.is_final() {
            self.unfinished.remove(&key);
        } else {
            self.unfinished.insert(key);
        }
        self.mutations.insert(row.id, row);
    }
}

impl Tables for Stock {
    fn instance(&mut self) -> Result<InstanceId, RepoError> {
        Ok(self.instance)
    }

    fn secret(&mut self) -> Result<InstallationSecret, RepoError> {
        Ok(self.secret.clone())
    }

    fn topology(&mut self, id: TopologyId) -> Result<TopologyRow, RepoError> {
        Ok(self.entry(id)?.row.clone())
    }

    fn topologies(&mut self, filter: &TopologyFilter) -> Result<TopologyPage, RepoError> {
        let mut rows: Vec<&TopologyRow> = self.topologies.values().map(|entry| &entry.row).collect();
        rows.retain(|row| filter.statuses.is_empty() || filter.statuses.contains(&row.status));
        rows.sort_by_key(|row| (row.created_at, row.id));
        Ok(TopologyPage {
            total: rows.len(),
            rows: page(rows, filter.limit, filter.offset),
        })
    }

    fn namesake(&mut self, name: &TopologyName) -> Result<Option<(TopologyName, TopologyId)>, RepoError> {
        let namesake = self.alive().find(|entry| entry.row.name == *name);
        Ok(namesake.map(|entry| (entry.row.name.clone(), entry.row.id)))
    }

    fn has_short_id(&mut self, id: TopologyId) -> Result<bool, RepoError> {
        let short = id::short_id(id);
        Ok(self.topologies.keys().any(|known| id::short_id(*known) == short))
    }

    fn insert_topology(&mut self, row: &TopologyRow) -> Result<(), RepoError> {
        let entry = Entry {
            row: row.clone(),
            maze: Topology::default(),
            events: Vec::new(),
            changes: Vec::new(),
            lease: None,
        };
        self.topologies.insert(row.id, entry);
        Ok(())
    }

    fn update_topology(&mut self, row: &TopologyRow) -> Result<(), RepoError> {
        self.entry_mut(row.id)?.row = row.clone();
        Ok(())
    }

    fn update_status(&mut self, row: &TopologyRow) -> Result<(), RepoError> {
        self.update_topology(row)
    }

    fn delete_topology(&mut self, id: TopologyId) -> Result<(), RepoError> {
        self.topologies.remove(&id);
        self.mutations.retain(|_, row| row.topology != id);
        self.visits.retain(|_, visit| visit.topology != id);
        self.unfinished.retain(|(topology, _)| *topology != id);
        Ok(())
    }

    fn events(&mut self, id: TopologyId) -> Result<Vec<StatusEvent>, RepoError> {
        Ok(self.entry(id)?.events.clone())
    }

    fn append_event(&mut self, id: TopologyId, event: &StatusEvent) -> Result<(), RepoError> {
        self.entry_mut(id)?.events.push(event.clone());
        Ok(())
    }

    fn maze(&mut self, id: TopologyId) -> Result<Topology, RepoError> {
        Ok(self.entry(id)?.maze.clone())
    }

    fn pushed_deckies(&mut self) -> Result<BTreeMap<TopologyId, usize>, RepoError> {
        let entries = self.topologies.iter();
        let pushed = entries.filter(|(_, Entry { row, .. })| {
            row.mode == Mode::Agent && !matches!(row.status, Status::Pending | Status::TornDown)
        });
        Ok(pushed.map(|(id, entry)| (*id, entry.maze.deckies().len())).collect())
    }

    fn set_maze(&mut self, id: TopologyId, maze: &Topology) -> Result<(), RepoError> {
        self.entry_mut(id)?.maze = maze.clone();
        Ok(())
    }

    fn claims(
        &mut self,
        except: Option<TopologyId>,
        range: RangeInclusive<u32>,
    ) -> Result<Vec<SubnetClaim>, RepoError> {
        let mut entries: Vec<&Entry> = self.alive().filter(|entry| Some(entry.row.id) != except).collect();
        entries.sort_by_key(|entry| (entry.row.created_at, entry.row.id));
        let claims = entries.into_iter().flat_map(|entry| {
            entry.maze.lans().iter().map(|lan| SubnetClaim {
                topology: entry.row.id,
                name: entry.row.name.clone(),
                lan: lan.name().clone(),
                subnet: lan.subnet(),
            })
        });
        let mut claims: Vec<SubnetClaim> = claims.collect();
        claims.retain(|SubnetClaim { subnet, .. }| {
            subnet.network().to_bits() <= *range.end() && subnet.broadcast().to_bits() >= *range.start()
        });
        claims.sort_by_key(|claim| (claim.subnet.network(), claim.subnet.prefix_len()));
        Ok(claims)
    }

    fn changes(&mut self, id: TopologyId, since: Option<Timestamp>) -> Result<Vec<RecordedChange>, RepoError> {
        let changes = self.entry(id)?.changes.iter();
        let later = changes.filter(|change| since.is_none_or(|since| since < change.at));
        Ok(later.cloned().collect())
    }

    fn append_changes(&mut self, id: TopologyId, changes: &[RecordedChange]) -> Result<(), RepoError> {
        self.entry_mut(id)?.changes.extend_from_slice(changes);
        Ok(())
    }

    fn lease(&mut self, id: TopologyId) -> Result<Option<Lease>, RepoError> {
        Ok(self.entry(id)?.lease.clone())
    }

    fn next_generation(&mut self, above: u64) -> Result<u64, RepoError> {
        self.last_generation = rules::lease::generation_after(self.last_generation.max(above))?;
        Ok(self.last_generation)
    }

    fn set_lease(&mut self, id: TopologyId, lease: &Lease) -> Result<(), RepoError> {
        self.entry_mut(id)?.lease = Some(lease.clone());
        Ok(())
    }

    fn delete_lease(&mut self, id: TopologyId) -> Result<(), RepoError> {
        self.entry_mut(id)?.lease = None;
        Ok(())
    }

    fn mutation(&mut self, id: MutationId) -> Result<MutationRow, RepoError> {
        let row = self.mutations.get(&id);
        row.cloned().ok_or(RepoError::MutationNotFound { id })
    }

    fn mutations(&mut self, filter: &MutationFilter) -> Result<MutationPage, RepoError> {
        if let Some(id) = filter.topology {
            self.entry(id)?;
        }
        let mut rows: Vec<&MutationRow> = self.mutations.values().collect();
        rows.retain(|row| filter.topology.is_none_or(|id| row.topology == id));
        rows.retain(|row| filter.states.is_empty() || filter.states.contains(&row.state));
        Ok(MutationPage {
            total: rows.len(),
            rows: page(rows, filter.limit, filter.offset),
        })
    }

    fn first_unfinished(&mut self, topology: TopologyId) -> Result<Option<MutationRow>, RepoError> {
        self.entry(topology)?;
        let from = (topology, MutationId::new(0));
        let first = self.unfinished.range(from..).next();
        match first {
            Some((owner, id)) if *owner == topology => Ok(self.mutations.get(id).cloned()),
            _ => Ok(None),
        }
    }

    fn with_unfinished(&mut self) -> Result<Vec<TopologyId>, RepoError> {
        let mut firsts = BTreeMap::new();
        for (topology, id) in &self.unfinished {
            firsts.entry(*topology).or_insert(*id);
        }
        let mut topologies: Vec<TopologyId> = firsts.keys().copied().collect();
        topologies.sort_by_key(|topology| firsts.get(topology));
        Ok(topologies)
    }

    fn insert_mutation(&mut self, row: MutationRow) -> Result<MutationRow, RepoError> {
        self.last_mutation += 1;
        let id = MutationId::new(self.last_mutation);
        let row = MutationRow { id, ..row };
        self.set_mutation(row.clone());
        Ok(row)
    }

    fn update_mutation(&mut self, row: &MutationRow) -> Result<(), RepoError> {
        self.set_mutation(row.clone());
        Ok(())
    }

    fn insert_visit(&mut self, visit: &Visit) -> Result<bool, RepoError> {
        self.entry(visit.topology)?;
        let key = (visit.topology, visit.id.clone());
        if self.visits.contains_key(&key) {
            return Ok(false);
        }
        self.visits.insert(key, visit.clone());
        Ok(true)
    }

    fn trim_visits(&mut self, id: TopologyId, keep: usize) -> Result<(), RepoError> {
        let visits = self.visits(&VisitFilter::default().topology(id))?;
        let surplus = visits.len().saturating_sub(keep);
        for visit in visits.into_iter().take(surplus) {
            self.visits.remove(&(visit.topology, visit.id));
        }
        Ok(())
    }

    fn visits(&mut self, filter: &VisitFilter) -> Result<Vec<Visit>, RepoError> {
        let mut visits: Vec<&Visit> = self.visits.values().collect();
        visits.retain(|visit| {
            let after = filter.after.as_ref().map(|(at, id)| (*at, id.as_str()));
            filter.topology.is_none_or(|id| visit.topology == id)
                && filter.decky.as_ref().is_none_or(|decky| visit.decky == *decky)
                && (filter.service.is_none() || visit.service == filter.service)
                && (filter.source.is_none() || visit.source == filter.source)
                && filter.since.is_none_or(|since| visit.at >= since)
                && after.is_none_or(|after| visit.place() > after)
        });
        visits.sort_by_key(|visit| visit.place());
        Ok(page(visits, filter.limit, 0))
    }

    fn fleet_authority(&mut self) -> Result<Option<String>, RepoError> {
        Ok(self.authority.clone())
    }

    fn set_fleet_authority(&mut self, authority: &str) -> Result<(), RepoError> {
        self.authority = Some(authority.into());
        Ok(())
    }

    fn put_enrolment(&mut self, enrolment: &Enrolment) -> Result<(), RepoError> {
        self.enrolments.insert(enrolment.id, enrolment.clone());
        Ok(())
    }

    fn delete_enrolments(&mut self, before: Timestamp) -> Result<(), RepoError> {
        self.enrolments.retain(|_, enrolment| enrolment.expires_at >= before);
        Ok(())
    }

    fn enrolment(&mut self, id: EnrolmentId) -> Result<Option<Enrolment>, RepoError> {
        Ok(self.enrolments.get(&id).cloned())
    }

    fn put_host(&mut self, host: &HostRow) -> Result<(), RepoError> {
        self.hosts.insert(host.id, host.clone());
        Ok(())
    }

    fn host(&mut self, id: HostId) -> Result<HostRow, RepoError> {
        self.hosts.get(&id).cloned().ok_or(RepoError::HostNotFound { id })
    }

    fn hosts(&mut self) -> Result<Vec<HostRow>, RepoError> {
        let mut hosts: Vec<HostRow> = self.hosts.values().cloned().collect();
        hosts.sort_by_key(|host| (host.enrolled_at, host.id));
        Ok(hosts)
    }

    fn append_to_log(&mut self, change: &StoreChange) -> Result<Sequence, RepoError> {
        self.last_change += 1;
        let sequence = Sequence::new(self.last_change);
        self.log.push_back(StoreChange {
            sequence,
            ..change.clone()
        });
        Ok(sequence)
    }

    fn log_bounds(&mut self) -> Result<LogBounds, RepoError> {
        let kept = self.log.len() as u64;
        Ok(LogBounds {
            forgotten: Sequence::new(self.last_change - kept),
            latest: Sequence::new(self.last_change),
        })
    }

    fn log(&mut self, after: Sequence, filter: &ChangeFilter) -> Result<Vec<StoreChange>, RepoError> {
        let start = self.log.partition_point(|change| change.sequence <= after);
        let changes = self.log.range(start..);
        let matching = changes.filter(|change| filter.topology.is_none_or(|id| change.topology == id));
        Ok(matching.take(filter.limit.unwrap_or(usize::MAX)).cloned().collect())
    }

    fn trim_log(&mut self, last: Sequence) -> Result<(), RepoError> {
        let surplus = self.log.partition_point(|change| change.sequence <= last);
        self.log.drain(..surplus);
        Ok(())
    }
}

/// Returns one page of a list.
fn page<T: Clone>(rows: Vec<&T>, limit: Option<usize>, offset: usize) -> Vec<T> {
    let page = rows.into_iter().skip(offset).take(limit.unwrap_or(usize::MAX));
    page.cloned().collect()
}
