//! The rules of status, versions, leases and queues. They are pure, and every backend applies them.

pub(super) mod changes;
pub(super) mod lease;
pub(super) mod queue;

use jiff::{SignedDuration, Timestamp};

use crate::{
    catalog::CatalogExcerpt,
    id::LeaseToken,
    model::{DeploySettings, TopologyRow},
    placement::Placement,
    repo::{Lease, RepoError, StatusChange},
    shuffle::Shuffles,
    status::{Status, StatusEvent},
    version::Version,
};

/// Returns the first event of a topology: its creation.
pub(super) fn first_event(at: Timestamp) -> StatusEvent {
    StatusEvent {
        from: None,
        to: Status::Pending,
        at,
        reason: Some("created".into()),
    }
}

/// Edits a row, or refuses.
pub(super) fn edit(row: &mut TopologyRow, expected: Option<Version>, at: Timestamp) -> Result<(), RepoError> {
    count_edit(row, expected, at, |row| match row.status {
        Status::Pending => Ok(()),
        _ => Err(not_editable(row)),
    })
}

fn not_editable(row: &TopologyRow) -> RepoError {
    RepoError::NotEditable {
        name: row.name.clone(),
        status: row.status,
        intent: row.intent,
    }
}

/// Counts an edit if the version is the expected one, or refuses.
fn count_edit(
    row: &mut TopologyRow,
    expected: Option<Version>,
    at: Timestamp,
    refuse: impl FnOnce(&TopologyRow) -> Result<(), RepoError>,
) -> Result<(), RepoError> {
    require_version(row, expected)?;
    refuse(row)?;
    row.version = row.version.next();
    row.changed_at = at;
    Ok(())
}

/// Refuses another version than the expected one, if one is expected.
pub(super) fn require_version(row: &TopologyRow, expected: Option<Version>) -> Result<(), RepoError> {
    let current = row.version;
    match expected {
        Some(expected) if expected != current => Err(RepoError::VersionConflict {
            name: row.name.clone(),
            expected,
            current,
        }),
        _ => Ok(()),
    }
}

/// Changes the deploy settings of a row, or refuses.
pub(super) fn set_settings(row: &mut TopologyRow, settings: DeploySettings, at: Timestamp) -> Result<(), RepoError> {
    if row.status == Status::TornDown {
        return Err(not_editable(row));
    }
    // The running containers were deployed with the previous settings.
    let on_docker = |settings: &DeploySettings| settings.clone().shuffles(Shuffles::default());
    row.needs_resync |= row.takes_mutations() && on_docker(&row.settings) != on_docker(&settings);
    if row.settings.shuffles != settings.shuffles {
        row.shuffled_until = at;
    }
    row.settings = settings;
    row.changed_at = at;
    Ok(())
}

/// Changes the placement of a row, or refuses.
pub(super) fn set_placement(
    row: &mut TopologyRow,
    placement: Option<Placement>,
    at: Timestamp,
) -> Result<(), RepoError> {
    if row.status == Status::TornDown {
        return Err(not_editable(row));
    }
    // The running containers were placed by the previous one.
    row.needs_resync |= row.takes_mutations() && row.placement != placement;
    row.placement = placement;
    row.changed_at = at;
    Ok(())
}

/// Adds entries to the stored ones of a user's catalogue.
pub(super) fn extend_catalog(row: &mut TopologyRow, catalog: CatalogExcerpt, at: Timestamp) {
    let before = row.catalog.clone();
    row.catalog.extend(catalog);
    if row.catalog != before {
        // The running containers were deployed with the previous entries.
        row.needs_resync |= row.takes_mutations();
        row.changed_at = at;
    }
}

/// Refuses a caller whose lease is no longer the stored one. A caller without a lease is not refused.
pub(super) fn require_held(
    row: &TopologyRow,
    lease: Option<&Lease>,
    held: Option<LeaseToken>,
) -> Result<(), RepoError> {
    match held {
        Some(_) if held != lease.map(|lease| lease.token) => Err(lease_lost(row)),
        _ => Ok(()),
    }
}

/// The lease of a topology was lost.
pub(super) fn lease_lost(row: &TopologyRow) -> RepoError {
    RepoError::LeaseLost {
        id: row.id,
        name: row.name.clone(),
    }
}

/// Changes the status of a row and returns the event, or refuses.
pub(super) fn change(row: &mut TopologyRow, change: StatusChange, at: Timestamp) -> Result<StatusEvent, RepoError> {
    let StatusChange {
        from,
        version,
        to,
        intent,
        settings,
        reason,
        held: _,
    } = change;
    if row.status != from {
        return Err(RepoError::StatusConflict {
            name: row.name.clone(),
            expected: from,
            current: row.status,
        });
    }
    require_version(row, version)?;
    if !from.may_become(to) {
        return Err(RepoError::IllegalStatus {
            name: row.name.clone(),
            from,
            to,
        });
    }
    if let Some(settings) = settings {
        set_settings(row, settings, at)?;
    }
    if to == Status::Deploying {
        // What was due before it ran is not made up for.
        row.shuffled_until = at;
    }
    row.status = to;
    row.intent = intent.or(row.intent);
    row.changed_at = at;
    Ok(StatusEvent {
        from: Some(from),
        to,
        at,
        reason,
    })
}

/// Refuses to delete a topology that may exist on Docker or whose lease is held.
pub(super) fn refuse_delete(row: &TopologyRow, lease: Option<Lease>, at: Timestamp) -> Result<(), RepoError> {
    let (status, name) = (row.status, row.name.clone());
    if !matches!(status, Status::Pending | Status::Failed | Status::TornDown) {
        return Err(RepoError::NotDeletable { name, status });
    }
    // The caller may have waited for the store. Then a lease that was acquired meanwhile seems to end too late, by at most that
    // time.
    let now = lease::ending(at, SignedDuration::from_mins(1));
    match lease::held(lease, at).filter(|lease| !lease.is_overlong(now)) {
        Some(lease) => Err(RepoError::LeaseHeld {
            name,
            lease: Box::new(lease),
        }),
        None => Ok(()),
    }
}
