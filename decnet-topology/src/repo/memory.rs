use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::{
    id::{self, InstanceId, LeaseToken, TopologyId},
    model::{DeploySettings, Lan, StoredTopology, Topology, TopologyRow},
    repo::{Claim, Holder, Lease, ListFilter, NewTopology, Page, Repo, RepoError, StatusChange, claims, rules},
    rng,
    status::{Status, StatusEvent},
    version::Version,
};

/// A store that lives as long as the process: for tests, previews and embedders that keep their mazes elsewhere.
///
/// It needs no runtime: its futures are ready at once.
#[derive(Debug)]
pub struct MemoryRepo {
    instance: InstanceId,
    topologies: Mutex<BTreeMap<TopologyId, Entry>>,
}

#[derive(Debug)]
struct Entry {
    stored: StoredTopology,
    events: Vec<StatusEvent>,
    lease: Option<Lease>,
}

impl Default for MemoryRepo {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryRepo {
    const SCHEMA: u32 = 1;

    /// Makes an empty store with an instance id of its own.
    pub fn new() -> Self {
        Self {
            instance: rng::instance_id(),
            topologies: Mutex::default(),
        }
    }

    /// Locks the store. A panic elsewhere leaves it whole: every method changes it in one step, after all refusals.
    fn topologies(&self) -> MutexGuard<'_, BTreeMap<TopologyId, Entry>> {
        self.topologies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn create_drawing(
        &self,
        draw: &mut dyn FnMut() -> TopologyId,
        new: NewTopology,
        at: Timestamp,
    ) -> Result<StoredTopology, RepoError> {
        let mut topologies = self.topologies();
        let namesake = alive(&topologies).find(|entry| entry.stored.row.name == new.name);
        if let Some(Entry { stored, .. }) = namesake {
            return Err(RepoError::NameTaken {
                name: stored.row.name.clone(),
                id: stored.row.id,
            });
        }
        refuse_claimed(&topologies, None, &new.topology)?;
        let taken = |drawn| topologies.keys().any(|known| id::short(*known) == id::short(drawn));
        let id = rules::fresh_id(draw, |drawn| Ok::<_, RepoError>(taken(drawn)))?;
        let stored = StoredTopology {
            row: rules::first_row(id, &new, at),
            topology: new.topology,
        };
        let entry = Entry {
            stored: stored.clone(),
            events: vec![rules::first_event(at)],
            lease: None,
        };
        topologies.insert(id, entry);
        Ok(stored)
    }
}

fn alive(topologies: &BTreeMap<TopologyId, Entry>) -> impl Iterator<Item = &Entry> {
    topologies
        .values()
        .filter(|entry| entry.stored.row.status != Status::TornDown)
}

fn claims_but(topologies: &BTreeMap<TopologyId, Entry>, except: Option<TopologyId>) -> Vec<Claim> {
    let mut entries: Vec<&StoredTopology> = alive(topologies).map(|entry| &entry.stored).collect();
    entries.retain(|stored| Some(stored.row.id) != except);
    entries.sort_by_key(|stored| order(&stored.row));
    let claims = entries.into_iter().flat_map(|stored| {
        stored.topology.lans().iter().map(|lan| Claim {
            topology: stored.row.id,
            name: stored.row.name.clone(),
            lan: lan.name().clone(),
            subnet: lan.subnet(),
        })
    });
    let mut claims: Vec<Claim> = claims.collect();
    claims.sort_by_key(|claim| (claim.subnet.network(), claim.subnet.prefix_len()));
    claims
}

fn refuse_claimed(
    topologies: &BTreeMap<TopologyId, Entry>,
    except: Option<TopologyId>,
    topology: &Topology,
) -> Result<(), RepoError> {
    let claims = claims_but(topologies, except);
    claims::refuse_claimed(&claims, topology.lans().iter().map(Lan::subnet))
}

fn order(row: &TopologyRow) -> (Timestamp, TopologyId) {
    (row.created_at, row.id)
}

fn entry(topologies: &BTreeMap<TopologyId, Entry>, id: TopologyId) -> Result<&Entry, RepoError> {
    topologies.get(&id).ok_or(RepoError::NotFound { id })
}

fn entry_mut(topologies: &mut BTreeMap<TopologyId, Entry>, id: TopologyId) -> Result<&mut Entry, RepoError> {
    topologies.get_mut(&id).ok_or(RepoError::NotFound { id })
}

#[async_trait]
impl Repo for MemoryRepo {
    async fn instance(&self) -> Result<InstanceId, RepoError> {
        Ok(self.instance)
    }

    async fn schema_version(&self) -> Result<u32, RepoError> {
        Ok(Self::SCHEMA)
    }

    async fn create(&self, new: NewTopology, at: Timestamp) -> Result<StoredTopology, RepoError> {
        self.create_drawing(&mut rng::topology_id, new, at)
    }

    async fn get(&self, id: TopologyId) -> Result<TopologyRow, RepoError> {
        entry(&self.topologies(), id).map(|entry| entry.stored.row.clone())
    }

    async fn list(&self, filter: &ListFilter) -> Result<Page, RepoError> {
        let topologies = self.topologies();
        let mut rows: Vec<&TopologyRow> = topologies.values().map(|entry| &entry.stored.row).collect();
        rows.retain(|row| filter.statuses.is_empty() || filter.statuses.contains(&row.status));
        rows.sort_by_key(|row| order(row));
        let page = rows.iter().skip(filter.offset).take(filter.limit.unwrap_or(usize::MAX));
        Ok(Page {
            total: rows.len(),
            rows: page.map(|row| (*row).clone()).collect(),
        })
    }

    async fn load(&self, id: TopologyId) -> Result<StoredTopology, RepoError> {
        entry(&self.topologies(), id).map(|entry| entry.stored.clone())
    }

    async fn edit(
        &self,
        id: TopologyId,
        expected: Option<Version>,
        topology: Topology,
        at: Timestamp,
    ) -> Result<StoredTopology, RepoError> {
        let mut topologies = self.topologies();
        let mut row = entry(&topologies, id)?.stored.row.clone();
        rules::edit(&mut row, expected, at)?;
        refuse_claimed(&topologies, Some(id), &topology)?;
        let stored = StoredTopology { row, topology };
        entry_mut(&mut topologies, id)?.stored = stored.clone();
        Ok(stored)
    }

    async fn set_status(&self, id: TopologyId, change: StatusChange, at: Timestamp) -> Result<TopologyRow, RepoError> {
        let mut topologies = self.topologies();
        let entry = entry_mut(&mut topologies, id)?;
        let event = rules::change(&mut entry.stored.row, change, at)?;
        entry.events.push(event);
        Ok(entry.stored.row.clone())
    }

    async fn status_events(&self, id: TopologyId) -> Result<Vec<StatusEvent>, RepoError> {
        entry(&self.topologies(), id).map(|entry| entry.events.clone())
    }

    async fn set_settings(
        &self,
        id: TopologyId,
        settings: DeploySettings,
        at: Timestamp,
    ) -> Result<TopologyRow, RepoError> {
        let mut topologies = self.topologies();
        let row = &mut entry_mut(&mut topologies, id)?.stored.row;
        rules::set_settings(row, settings, at)?;
        Ok(row.clone())
    }

    async fn set_needs_resync(&self, id: TopologyId, needs_resync: bool, at: Timestamp) -> Result<(), RepoError> {
        let mut topologies = self.topologies();
        let row = &mut entry_mut(&mut topologies, id)?.stored.row;
        row.needs_resync = needs_resync;
        row.changed_at = at;
        Ok(())
    }

    async fn claims(&self, except: Option<TopologyId>) -> Result<Vec<Claim>, RepoError> {
        Ok(claims_but(&self.topologies(), except))
    }

    async fn acquire_lease(
        &self,
        id: TopologyId,
        holder: &Holder,
        time: SignedDuration,
        superseding: Option<LeaseToken>,
        at: Timestamp,
    ) -> Result<Lease, RepoError> {
        let mut topologies = self.topologies();
        let entry = entry_mut(&mut topologies, id)?;
        let lease = rules::acquire(entry.lease.clone(), holder, time, superseding, at)?;
        entry.lease = Some(lease.clone());
        Ok(lease)
    }

    async fn renew_lease(
        &self,
        id: TopologyId,
        token: LeaseToken,
        time: SignedDuration,
        at: Timestamp,
    ) -> Result<Lease, RepoError> {
        let mut topologies = self.topologies();
        let entry = entry_mut(&mut topologies, id)?;
        let lease = rules::renew(id, entry.lease.clone(), token, time, at)?;
        entry.lease = Some(lease.clone());
        Ok(lease)
    }

    async fn release_lease(&self, id: TopologyId, token: LeaseToken) -> Result<(), RepoError> {
        if let Some(entry) = self.topologies().get_mut(&id) {
            entry.lease.take_if(|lease| lease.token == token);
        }
        Ok(())
    }

    async fn lease(&self, id: TopologyId, at: Timestamp) -> Result<Option<Lease>, RepoError> {
        entry(&self.topologies(), id).map(|entry| rules::held(entry.lease.clone(), at))
    }

    async fn delete(&self, id: TopologyId, at: Timestamp) -> Result<(), RepoError> {
        let mut topologies = self.topologies();
        let entry = entry(&topologies, id)?;
        rules::refuse_delete(entry.stored.row.status, entry.lease.clone(), at)?;
        topologies.remove(&id);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_shares_its_first_eight_hex_digits_with_another_is_drawn_again() {
        let repo = MemoryRepo::new();
        let ids = [
            "01234567-0000-4000-8000-000000000001",
            "01234567-0000-4000-8000-000000000002",
            "89abcdef-0000-4000-8000-000000000003",
        ];
        let mut draws = ids.iter().map(|text| text.parse().expect("id"));
        let mut draw = || draws.next().expect("three draws");
        let mut create = |name: &str| {
            let new = NewTopology {
                name: name.parse().expect("name"),
                mode: crate::Mode::Unihost,
                host: None,
                config: None,
                topology: Topology::default(),
            };
            repo.create_drawing(&mut draw, new, Timestamp::UNIX_EPOCH)
                .expect("created")
        };
        assert_eq!(create("one").row.id.to_string(), ids[0]);
        assert_eq!(create("two").row.id.to_string(), ids[2]);
    }
}
