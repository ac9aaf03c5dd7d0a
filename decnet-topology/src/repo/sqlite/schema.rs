//! The layout of the file, and the preparation of a connection to it.

use std::{path::Path, thread, time::Duration};

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, ffi::ErrorCode};
use rusqlite_migration::{HookError, M, Migrations};

use super::fault::Fault;
use crate::{repo::RepoError, rng};

/// Identifies the files of DECNET: `DCNT`.
const APPLICATION_ID: i64 = 0x4443_4e54;

/// The migrations from an empty file to the current layout, in order. Their number is the version of the layout.
///
/// Released migrations never change.
pub(super) const STEPS: &[&str] = &[
    include_str!("1-topologies.sql"),
    include_str!("2-mutations.sql"),
    include_str!("3-lease-lengths.sql"),
    include_str!("4-secret.sql"),
    include_str!("5-persona.sql"),
    include_str!("6-visits.sql"),
    include_str!("7-catalog.sql"),
    include_str!("8-change-log.sql"),
    include_str!("9-placement.sql"),
    include_str!("10-hosts.sql"),
    include_str!("11-shuffles.sql"),
    include_str!("12-generations.sql"),
];

/// The newest supported layout.
pub(super) fn latest() -> u32 {
    u32::try_from(STEPS.len()).unwrap_or(u32::MAX)
}

/// Prepares a connection: foreign files are refused, and an older layout is migrated.
pub(super) fn prepare(connection: &mut Connection, path: &Path, timeout: Duration) -> Result<(), Fault> {
    connection.busy_timeout(timeout)?;
    recognize(connection, path)?;
    if connection.is_readonly("main")? {
        return Err(RepoError::ReadOnly.into());
    }
    write_ahead(connection, timeout)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    finish(connection)
}

/// Prepares a connection to a store in memory.
pub(super) fn prepare_in_memory(connection: &mut Connection, path: &Path) -> Result<(), Fault> {
    recognize(connection, path)?;
    finish(connection)
}

fn finish(connection: &mut Connection) -> Result<(), Fault> {
    connection.set_prepared_statement_cache_capacity(64);
    connection.pragma_update(None, "foreign_keys", true)?;
    migrate(connection)
}

/// Refuses files of other programs and files of a newer layout before anything is written to them.
fn recognize(connection: &mut Connection, path: &Path) -> Result<(), Fault> {
    let moment = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
    let application: i64 = moment.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = moment.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let is_empty = moment
        .query_row("SELECT 1 FROM sqlite_schema", [], |_| Ok(()))
        .optional()?
        .is_none();
    let is_ours = application == APPLICATION_ID && version > 0;
    let is_new = is_empty && application == 0 && version == 0;
    if !is_ours && !is_new {
        return Err(RepoError::NotAStore {
            path: path.into(),
            what: "a database of another program".into(),
        }
        .into());
    }
    match u32::try_from(version) {
        Ok(found) if found > latest() => Err(RepoError::TooNew {
            path: path.into(),
            found,
            known: latest(),
        }
        .into()),
        _ => Ok(()),
    }
}

/// Turns on the write-ahead log. If several processes open a new file at the same time, all except one get a busy error
/// immediately, without the usual wait.
fn write_ahead(connection: &Connection, timeout: Duration) -> Result<(), Fault> {
    const PAUSE: Duration = Duration::from_millis(10);
    let mut waited = Duration::ZERO;
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && waited < timeout => {
                #[expect(clippy::disallowed_methods, reason = "another process has locked the file")]
                thread::sleep(PAUSE);
                waited += PAUSE;
            }
            outcome => return Ok(outcome?),
        }
    }
}

/// Migrates the layout in one transaction.
///
/// The version is read before the transaction begins, so another process may have been faster. Then the migrations are rolled
/// back and the version is read again.
fn migrate(connection: &mut Connection) -> Result<(), Fault> {
    let version =
        |connection: &Connection| connection.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0));
    connection.set_transaction_behavior(TransactionBehavior::Immediate);
    loop {
        let seen = version(connection)?;
        match migrations(seen).to_latest(connection) {
            Ok(()) => return Ok(()),
            Err(_) if version(connection)? != seen => {}
            Err(rusqlite_migration::Error::RusqliteError { err, .. }) => return Err(err.into()),
            Err(error) => return Err(RepoError::Medium { source: error.into() }.into()),
        }
    }
}

/// Returns the migrations. Each one fails if the layout is no longer the one that was read.
fn migrations(seen: u32) -> Migrations<'static> {
    let steps = STEPS.iter().enumerate().map(|(at, step)| {
        M::up_with_hook(step, move |transaction: &rusqlite::Transaction<'_>| {
            let found: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
            if found != seen {
                return Err(HookError::Hook(format!(
                    "another process made layout {found} meanwhile"
                )));
            }
            match at {
                0 => {
                    let instance = rng::instance_id().to_string();
                    transaction.execute("INSERT INTO meta (instance) VALUES (?1)", [instance])?;
                }
                3 => {
                    let secret = rng::installation_secret().to_string();
                    transaction.execute("UPDATE meta SET secret = ?1", [secret])?;
                }
                _ => {}
            }
            Ok(())
        })
    });
    Migrations::new(steps.collect())
}
