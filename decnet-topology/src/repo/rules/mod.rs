//! What every home of the repo refuses, said once: pure, so that no home has a rule of its own.

pub(super) mod queue;

use jiff::{SignedDuration, Timestamp};

use crate::{
    id::{LeaseToken, TopologyId},
    model::{DeploySettings, TopologyRow},
    repo::{Holder, Lease, NewTopology, RepoError, StatusChange},
    status::{Status, StatusEvent},
    version::Version,
};

/// Returns the wanted id, or else the first one drawn, whose first eight hex digits no other topology has.
pub(super) fn fresh_id<E>(
    mut wanted: Option<TopologyId>,
    draw: &mut dyn FnMut() -> TopologyId,
    mut taken: impl FnMut(TopologyId) -> Result<bool, E>,
) -> Result<TopologyId, E> {
    loop {
        let id = wanted.take().unwrap_or_else(&mut *draw);
        if !taken(id)? {
            return Ok(id);
        }
    }
}

/// Returns the row of a topology that was just stored.
pub(super) fn first_row(id: TopologyId, new: &NewTopology, at: Timestamp) -> TopologyRow {
    TopologyRow {
        id,
        name: new.name.clone(),
        mode: new.mode,
        host: new.host.clone(),
        status: Status::Pending,
        intent: None,
        version: Version::FIRST,
        created_at: at,
        changed_at: at,
        needs_resync: false,
        config: new.config.clone(),
        settings: new.settings.clone(),
    }
}

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
        status: row.status,
        intent: row.intent,
    }
}

/// Counts an edit of what the caller saw, or refuses.
fn count_edit(
    row: &mut TopologyRow,
    expected: Option<Version>,
    at: Timestamp,
    refuse: impl FnOnce(&TopologyRow) -> Result<(), RepoError>,
) -> Result<(), RepoError> {
    let current = row.version;
    if let Some(expected) = expected.filter(|expected| *expected != current) {
        return Err(RepoError::VersionConflict { expected, current });
    }
    refuse(row)?;
    row.version = current.next();
    row.changed_at = at;
    Ok(())
}

/// Changes how the topology of a row is raised, or refuses.
pub(super) fn set_settings(row: &mut TopologyRow, settings: DeploySettings, at: Timestamp) -> Result<(), RepoError> {
    if row.status == Status::TornDown {
        return Err(not_editable(row));
    }
    row.settings = settings;
    row.changed_at = at;
    Ok(())
}

/// Changes the status of a row and returns the event, or refuses. The lease is the one that is stored.
pub(super) fn change(
    row: &mut TopologyRow,
    lease: Option<&Lease>,
    change: StatusChange,
    at: Timestamp,
) -> Result<StatusEvent, RepoError> {
    let StatusChange {
        from,
        to,
        intent,
        reason,
        held,
    } = change;
    if held.is_some() && held != lease.map(|lease| lease.token) {
        return Err(RepoError::LeaseLost { id: row.id });
    }
    if row.status != from {
        return Err(RepoError::StatusConflict {
            expected: from,
            current: row.status,
        });
    }
    if !from.may_become(to) {
        return Err(RepoError::IllegalStatus { from, to });
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

/// Refuses to delete what may have something on Docker, or what someone is at work on.
pub(super) fn refuse_delete(status: Status, lease: Option<Lease>, at: Timestamp) -> Result<(), RepoError> {
    if !matches!(status, Status::Pending | Status::Failed | Status::TornDown) {
        return Err(RepoError::NotDeletable { status });
    }
    // Whoever asks may have waited for the store: that long, a lease may seem to end too late.
    let now = ending(at, SignedDuration::from_mins(1));
    match held(lease, at).filter(|lease| !lease.is_overlong(now)) {
        Some(lease) => Err(RepoError::LeaseHeld { lease: Box::new(lease) }),
        None => Ok(()),
    }
}

/// Returns the lease if it has not run out.
pub(super) fn held(lease: Option<Lease>, at: Timestamp) -> Option<Lease> {
    lease.filter(|lease| at < lease.until)
}

/// Returns a fresh lease, or refuses because of the one that is stored.
pub(super) fn acquire(
    stored: Option<Lease>,
    holder: &Holder,
    time: SignedDuration,
    superseding: Option<LeaseToken>,
    at: Timestamp,
) -> Result<Lease, RepoError> {
    match held(stored, at) {
        Some(lease) if Some(lease.token) != superseding => Err(RepoError::LeaseHeld { lease: Box::new(lease) }),
        _ => Ok(Lease {
            token: crate::rng::lease_token(),
            holder: holder.clone(),
            until: ending(at, time),
            length: time,
        }),
    }
}

/// Returns the stored lease with a later end, or refuses because another took it.
pub(super) fn renew(
    id: TopologyId,
    stored: Option<Lease>,
    token: LeaseToken,
    time: SignedDuration,
    at: Timestamp,
) -> Result<Lease, RepoError> {
    match stored {
        Some(lease) if lease.token == token => Ok(Lease {
            until: ending(at, time),
            length: time,
            ..lease
        }),
        _ => Err(RepoError::LeaseLost { id }),
    }
}

fn ending(at: Timestamp, time: SignedDuration) -> Timestamp {
    at.saturating_add(time).unwrap_or(Timestamp::MAX)
}
