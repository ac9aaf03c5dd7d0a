//! The table `leases`: at most one row for each topology, with its last lease.

use jiff::SignedDuration;
use rusqlite::{Transaction, params};

use crate::repo::{
    Lease,
    sqlite::{
        columns::{first, moment as written},
        fault::Fault,
    },
};

/// Returns the stored lease, even if it expired.
pub(in crate::repo::sqlite) fn find(moment: &Transaction<'_>, key: i64) -> Result<Option<Lease>, Fault> {
    let mut statement = moment
        .prepare_cached("SELECT token, boot_id, pid, started, label, until, length FROM leases WHERE topology = ?1")?;
    first(statement.query([key])?, |row| {
        Ok(Lease {
            token: row.word()?,
            holder: row.holder()?,
            until: row.word()?,
            length: Some(SignedDuration::from_millis(row.value()?)),
        })
    })
}

/// Removes the lease.
pub(in crate::repo::sqlite) fn delete(tx: &Transaction<'_>, key: i64) -> Result<(), Fault> {
    tx.prepare_cached("DELETE FROM leases WHERE topology = ?1")?
        .execute([key])?;
    Ok(())
}

/// Replaces the lease.
pub(in crate::repo::sqlite) fn write(tx: &Transaction<'_>, key: i64, lease: &Lease) -> Result<(), Fault> {
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
        written(*until),
        length.map(milliseconds),
    ])?;
    Ok(())
}

/// Rounds up: a new lease must not seem to end too late.
fn milliseconds(length: SignedDuration) -> i64 {
    i64::try_from(length.as_nanos().saturating_add(999_999) / 1_000_000).unwrap_or(i64::MAX)
}
