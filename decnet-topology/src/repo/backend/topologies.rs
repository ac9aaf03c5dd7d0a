//! Topologies: create, read, edit, change the status, delete.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::Timestamp;

use super::{
    Backend, Tables,
    change_log::{record, record_mutation},
};
use crate::{
    catalog::CatalogExcerpt,
    history,
    id::{InstanceId, LeaseToken, MutationId, TopologyId},
    model::{DeploySettings, Lan, StoredTopology, Topology, TopologyRow},
    placement::{Placement, Vni},
    repo::{
        ChangeKind, Edit, HostRow, MutationFilter, NewTopology, RecordedChange, RepoError, StatusChange, SubnetClaim,
        TopologyFilter, TopologyPage, TopologyStore, claims,
        rules::{
            self,
            queue::{Dismissal, UNNUMBERED},
        },
    },
    rng,
    secret::InstallationSecret,
    status::{Status, StatusEvent},
    version::Version,
};

#[async_trait]
impl<B: Backend> TopologyStore for B {
    async fn instance(&self) -> Result<InstanceId, RepoError> {
        self.read(|tables| tables.instance()).await
    }

    async fn secret(&self) -> Result<InstallationSecret, RepoError> {
        self.read(|tables| tables.secret()).await
    }

    async fn create(&self, new: NewTopology, at: Timestamp) -> Result<StoredTopology, RepoError> {
        self.write(new, move |tables, new| create(tables, &mut rng::topology_id, new, at))
            .await
    }

    async fn get(&self, id: TopologyId) -> Result<TopologyRow, RepoError> {
        self.read(move |tables| tables.topology(id)).await
    }

    async fn list(&self, filter: &TopologyFilter) -> Result<TopologyPage, RepoError> {
        let filter = filter.clone();
        self.read(move |tables| tables.topologies(&filter)).await
    }

    async fn load(&self, id: TopologyId) -> Result<StoredTopology, RepoError> {
        self.read(move |tables| {
            Ok(StoredTopology {
                row: tables.topology(id)?,
                topology: tables.maze(id)?,
            })
        })
        .await
    }

    async fn edit(&self, id: TopologyId, edit: Edit, at: Timestamp) -> Result<StoredTopology, RepoError> {
        self.write(edit, move |tables, edit| {
            let Edit {
                expected,
                topology,
                catalog,
                mutation,
            } = edit;
            let mut row = tables.topology(id)?;
            rules::edit(&mut row, expected, at)?;
            rules::extend_catalog(&mut row, catalog, at);
            refuse_claimed(tables, Some(id), &topology)?;
            mutation.as_ref().map(rules::queue::refuse_unreadable).transpose()?;
            tables.update_topology(&row)?;
            let mutation = match mutation {
                Some(new) => Some(tables.insert_mutation(rules::queue::applied(UNNUMBERED, &row, new, at))?),
                None => None,
            };
            replace_maze(tables, id, &topology, mutation.as_ref().map(|row| row.id), at)?;
            if let Some(applied) = mutation {
                record_mutation(tables, &row, &applied, at)?;
            }
            record(tables, &row, ChangeKind::Edited, at)?;
            Ok(StoredTopology { row, topology })
        })
        .await
    }

    async fn set_status(&self, id: TopologyId, change: StatusChange, at: Timestamp) -> Result<TopologyRow, RepoError> {
        self.write(change, move |tables, change| {
            let mut row = tables.topology(id)?;
            require_held(tables, id, change.held)?;
            let event = rules::change(&mut row, change, at)?;
            tables.update_status(&row)?;
            tables.append_event(id, &event)?;
            record(tables, &row, event.into(), at)?;
            if let Some(dismissal) = Dismissal::of(&row) {
                dismiss(tables, &row, &dismissal, at)?;
            }
            Ok(row)
        })
        .await
    }

    async fn status_events(&self, id: TopologyId) -> Result<Vec<StatusEvent>, RepoError> {
        self.read(move |tables| tables.events(id)).await
    }

    async fn set_settings(
        &self,
        id: TopologyId,
        settings: DeploySettings,
        held: Option<LeaseToken>,
        at: Timestamp,
    ) -> Result<TopologyRow, RepoError> {
        self.write(settings, move |tables, settings| {
            change_row(tables, id, held, at, |row| rules::set_settings(row, settings, at))
        })
        .await
    }

    async fn extend_catalog(
        &self,
        id: TopologyId,
        catalog: CatalogExcerpt,
        held: Option<LeaseToken>,
        at: Timestamp,
    ) -> Result<TopologyRow, RepoError> {
        self.write(catalog, move |tables, catalog| {
            change_row(tables, id, held, at, |row| {
                rules::extend_catalog(row, catalog, at);
                Ok(())
            })
        })
        .await
    }

    async fn set_placement(
        &self,
        id: TopologyId,
        placement: Option<Placement>,
        held: Option<LeaseToken>,
        at: Timestamp,
    ) -> Result<TopologyRow, RepoError> {
        self.write(placement, move |tables, placement| {
            if let Some(placement) = &placement {
                refuse_conflicts(tables, id, placement)?;
            }
            change_row(tables, id, held, at, |row| rules::set_placement(row, placement, at))
        })
        .await
    }

    async fn set_needs_resync(
        &self,
        id: TopologyId,
        needs_resync: bool,
        held: Option<LeaseToken>,
        at: Timestamp,
    ) -> Result<(), RepoError> {
        self.write((), move |tables, ()| {
            change_row(tables, id, held, at, |row| {
                row.needs_resync = needs_resync;
                row.changed_at = at;
                Ok(())
            })
        })
        .await
        .map(drop)
    }

    async fn claims(&self, except: Option<TopologyId>) -> Result<Vec<SubnetClaim>, RepoError> {
        self.read(move |tables| tables.claims(except, 0..=u32::MAX)).await
    }

    async fn decky_changes(&self, id: TopologyId, since: Option<Timestamp>) -> Result<Vec<RecordedChange>, RepoError> {
        self.read(move |tables| tables.changes(id, since)).await
    }

    async fn delete(&self, id: TopologyId, expected: Option<Version>, at: Timestamp) -> Result<(), RepoError> {
        self.write((), move |tables, ()| {
            let row = tables.topology(id)?;
            rules::require_version(&row, expected)?;
            let now = tables.now(at)?;
            rules::refuse_delete(&row, tables.lease(id)?, now)?;
            tables.delete_topology(id)?;
            record(tables, &row, ChangeKind::Deleted, at)
        })
        .await
    }
}

/// Stores a topology under the wanted id, or else the first drawn id whose first eight hex digits are unique.
pub(in crate::repo) fn create(
    tables: &mut dyn Tables,
    draw: &mut dyn FnMut() -> TopologyId,
    new: NewTopology,
    at: Timestamp,
) -> Result<StoredTopology, RepoError> {
    if let Some((name, id)) = tables.namesake(&new.name)? {
        return Err(RepoError::NameTaken { name, id });
    }
    refuse_claimed(tables, None, &new.topology)?;
    let mut id = new.id.unwrap_or_else(&mut *draw);
    while tables.has_short_id(id)? {
        id = draw();
    }
    let row = new.first_row(id, at);
    tables.insert_topology(&row)?;
    let event = rules::first_event(at);
    tables.append_event(id, &event)?;
    tables.set_maze(id, &new.topology)?;
    record(tables, &row, event.into(), at)?;
    Ok(StoredTopology {
        row,
        topology: new.topology,
    })
}

/// Refuses a maze with a subnet that overlaps a claim of another topology.
pub(super) fn refuse_claimed(
    tables: &mut dyn Tables,
    except: Option<TopologyId>,
    maze: &Topology,
) -> Result<(), RepoError> {
    let subnets = || maze.lans().iter().map(Lan::subnet);
    let first = subnets().map(|subnet| subnet.network()).min();
    let last = subnets().map(|subnet| subnet.broadcast()).max();
    let (Some(first), Some(last)) = (first, last) else {
        return Ok(());
    };
    tables.lock_claims()?;
    let claims = tables.claims(except, first.to_bits()..=last.to_bits())?;
    claims::refuse_claimed(&claims, subnets())
}

/// Replaces a maze, and records the changes of its deckies.
pub(super) fn replace_maze(
    tables: &mut dyn Tables,
    id: TopologyId,
    maze: &Topology,
    mutation: Option<MutationId>,
    at: Timestamp,
) -> Result<(), RepoError> {
    let changes = history::changes(&tables.maze(id)?, maze).into_iter();
    let changes: Vec<RecordedChange> = changes.map(|change| RecordedChange { at, mutation, change }).collect();
    tables.append_changes(id, &changes)?;
    tables.set_maze(id, maze)
}

/// Refuses a placement that conflicts with the stored one of another topology, which another master may have placed meanwhile.
fn refuse_conflicts(tables: &mut dyn Tables, id: TopologyId, placement: &Placement) -> Result<(), RepoError> {
    tables.lock_placements()?;
    let others = TopologyFilter::default().without(&[Status::TornDown]);
    let mut others = tables.topologies(&others)?.rows;
    others.retain(|other| other.id != id);
    refuse_taken_vni(&others, placement)?;
    let before = tables.topology(id)?.placement.unwrap_or_default();
    let taken = deckies_by_host(tables, &others)?;
    refuse_full_host(&tables.hosts()?, &taken, &before, placement)
}

/// Counts the deckies of topologies on each host. All of a topology of mode `agent` are on its host.
fn deckies_by_host(tables: &mut dyn Tables, rows: &[TopologyRow]) -> Result<BTreeMap<String, u32>, RepoError> {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    let mut add = |host: &str, deckies: usize| {
        let count = counts.entry(host.to_owned()).or_default();
        *count = count.saturating_add(u32::try_from(deckies).unwrap_or(u32::MAX));
    };
    let pushed = tables.pushed_deckies()?;
    for row in rows {
        if let Some(placement) = &row.placement {
            placement.deckies.values().for_each(|host| add(host.as_str(), 1));
        } else if let Some((host, deckies)) = row.agent_host().zip(pushed.get(&row.id)) {
            add(host, *deckies);
        }
    }
    Ok(counts)
}

/// Refuses a placement with a VNI of another topology: packets of the two would mix.
fn refuse_taken_vni(others: &[TopologyRow], placement: &Placement) -> Result<(), RepoError> {
    let wanted: BTreeSet<Vni> = placement.vnis().collect();
    for other in others {
        let mut held = other.placement.iter().flat_map(Placement::vnis);
        if let Some(vni) = held.find(|vni| wanted.contains(vni)) {
            let by = other.name.clone();
            return Err(RepoError::VniTaken { vni, by });
        }
    }
    Ok(())
}

/// Refuses a placement that puts more deckies on a host than the host may have. What a host has already may stay.
fn refuse_full_host(
    hosts: &[HostRow],
    taken: &BTreeMap<String, u32>,
    before: &Placement,
    placement: &Placement,
) -> Result<(), RepoError> {
    for host in hosts.iter().filter(|host| host.revoked_at.is_none()) {
        let wanted = placement.deckies_on(&host.name);
        if wanted <= before.deckies_on(&host.name) {
            continue;
        }
        let taken = taken.get(host.name.as_str()).copied().unwrap_or_default();
        if taken.saturating_add(wanted) > host.profile.capacity {
            return Err(RepoError::HostFull {
                host: host.name.clone(),
                capacity: host.profile.capacity,
                taken,
                wanted,
            });
        }
    }
    Ok(())
}

/// Changes the row of a topology, for a caller that still holds its lease.
fn change_row(
    tables: &mut dyn Tables,
    id: TopologyId,
    held: Option<LeaseToken>,
    at: Timestamp,
    change: impl FnOnce(&mut TopologyRow) -> Result<(), RepoError>,
) -> Result<TopologyRow, RepoError> {
    let before = tables.topology(id)?;
    require_held(tables, id, held)?;
    let mut row = before.clone();
    change(&mut row)?;
    tables.update_topology(&row)?;
    if rules::changes::is_reconfigured(&before, &row) {
        record(tables, &row, ChangeKind::Settings, at)?;
    }
    Ok(row)
}

/// Refuses a caller that lost its lease.
pub(super) fn require_held(tables: &mut dyn Tables, id: TopologyId, held: Option<LeaseToken>) -> Result<(), RepoError> {
    if held.is_none() {
        return Ok(());
    }
    let lease = tables.lease(id)?;
    rules::require_held(&tables.topology(id)?, lease.as_ref(), held)
}

/// Finishes the unfinished mutations of a topology that no longer takes mutations.
fn dismiss(tables: &mut dyn Tables, row: &TopologyRow, dismissal: &Dismissal, at: Timestamp) -> Result<(), RepoError> {
    let unfinished = tables.mutations(&MutationFilter::unfinished(Some(row.id)))?.rows;
    for mut mutation in unfinished.into_iter().filter(|mutation| dismissal.concerns(mutation)) {
        dismissal.dismiss(&mut mutation, at);
        tables.update_mutation(&mutation)?;
        record_mutation(tables, row, &mutation, at)?;
    }
    Ok(())
}
