//! Leases in their table: one row a topology at most, the last one taken.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Transaction, params};

use super::{
    fault::Fault,
    rows::{first, moment},
    topologies,
};
use crate::{
    id::{LeaseToken, TopologyId},
    repo::{Holder, Lease, rules},
};

/// Returns the lease that is stored, whether it ran out or not.
pub(super) fn stored(moment: &Transaction<'_>, key: i64) -> Result<Option<Lease>, Fault> {
    let mut statement = moment
        .prepare_cached("SELECT token, boot_id, pid, started, label, until, length FROM leases WHERE topology = ?1")?;
    first(statement.query([key])?, |row| {
        Ok(Lease {
            token: row.word()?,
            holder: row.holder()?,
            until: row.word()?,
            length: SignedDuration::from_millis(row.value()?),
        })
    })
}

/// Returns the lease that is held at a time.
pub(super) fn held(moment: &Transaction<'_>, id: TopologyId, at: Timestamp) -> Result<Option<Lease>, Fault> {
    let key = topologies::key(moment, id)?;
    Ok(rules::held(stored(moment, key)?, at))
}

/// Takes the lease.
pub(super) fn acquire(
    tx: &Transaction<'_>,
    id: TopologyId,
    holder: &Holder,
    time: SignedDuration,
    superseding: Option<LeaseToken>,
    at: Timestamp,
) -> Result<Lease, Fault> {
    let key = topologies::key(tx, id)?;
    let lease = rules::acquire(stored(tx, key)?, holder, time, superseding, at)?;
    write(tx, key, &lease)?;
    Ok(lease)
}

/// Makes the lease last longer.
pub(super) fn renew(
    tx: &Transaction<'_>,
    id: TopologyId,
    token: LeaseToken,
    time: SignedDuration,
    at: Timestamp,
) -> Result<Lease, Fault> {
    let key = topologies::key(tx, id)?;
    let lease = rules::renew(id, stored(tx, key)?, token, time, at)?;
    write(tx, key, &lease)?;
    Ok(lease)
}

/// Gives the lease back.
pub(super) fn release(tx: &Transaction<'_>, id: TopologyId, token: LeaseToken) -> Result<(), Fault> {
    let mut statement = tx.prepare_cached(
        "DELETE FROM leases WHERE token = ?2 AND topology = (SELECT key FROM topologies WHERE id = ?1)",
    )?;
    statement.execute([id.to_string(), token.to_string()])?;
    Ok(())
}

fn write(tx: &Transaction<'_>, key: i64, lease: &Lease) -> Result<(), Fault> {
    let Lease {
        token,
        holder,
        until,
        length,
    } = lease;
    let mut statement = tx.prepare_cached(
        "INSERT OR REPLACE INTO leases (topology, token, boot_id, pid, started, label, until, length)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    statement.execute(params![
        key,
        token.to_string(),
        holder.boot_id,
        holder.pid,
        holder.started.cast_signed(),
        holder.label,
        moment(*until),
        milliseconds(*length),
    ])?;
    Ok(())
}

/// Rounds up: a lease that was just taken must not seem to end too late.
fn milliseconds(length: SignedDuration) -> i64 {
    i64::try_from(length.as_nanos().saturating_add(999_999) / 1_000_000).unwrap_or(i64::MAX)
}
