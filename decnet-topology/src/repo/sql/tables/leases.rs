//! The table `leases`: at most one row for each topology, with its last lease.

use jiff::SignedDuration;

use crate::repo::{
    Lease, RepoError,
    sql::{Sql, Value, statement::first},
};

/// Returns the stored lease, even if it expired.
pub(in crate::repo) fn find(sql: &mut dyn Sql, key: i64) -> Result<Option<Lease>, RepoError> {
    let statement =
        "SELECT token, boot_id, pid, started, label, until, length, generation FROM leases WHERE topology = ?1";
    first(sql, statement, &[key.into()], |row| {
        Ok(Lease {
            token: row.word()?,
            holder: row.holder()?,
            until: row.word()?,
            length: Some(SignedDuration::from_millis(row.integer()?)),
            generation: row.whole()?,
        })
    })
}

/// Removes the lease.
pub(in crate::repo) fn delete(sql: &mut dyn Sql, key: i64) -> Result<(), RepoError> {
    sql.execute("DELETE FROM leases WHERE topology = ?1", &[key.into()])
        .map(drop)
}

/// Replaces the lease.
pub(in crate::repo) fn write(sql: &mut dyn Sql, key: i64, lease: &Lease) -> Result<(), RepoError> {
    let Lease {
        token,
        holder,
        until,
        length,
        generation,
    } = lease;
    let values = [
        key.into(),
        Value::word(token),
        (&holder.boot_id).into(),
        holder.pid.into(),
        holder.started.cast_signed().into(),
        (&holder.label).into(),
        (*until).into(),
        length.map(milliseconds).into(),
        i64::try_from(*generation).unwrap_or(i64::MAX).into(),
    ];
    let statement = "INSERT INTO leases (topology, token, boot_id, pid, started, label, until, length, generation)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (topology) DO UPDATE
         SET token = excluded.token, boot_id = excluded.boot_id, pid = excluded.pid, started = excluded.started,
             label = excluded.label, until = excluded.until, length = excluded.length,
             generation = excluded.generation";
    sql.execute(statement, &values).map(drop)
}

/// Rounds up: a new lease must not seem to end too late.
fn milliseconds(length: SignedDuration) -> i64 {
    i64::try_from(length.as_nanos().saturating_add(999_999) / 1_000_000).unwrap_or(i64::MAX)
}
