//! The layout of the database.

use std::time::Duration;

use deadpool_postgres::{ClientWrapper, Transaction};
use tokio_postgres::IsolationLevel;

use super::{
    fault::{Failure, failure},
    silence::answer,
    statement::lock_key,
};
use crate::{repo::RepoError, rng};

/// The migrations from an empty schema to the current layout, in order. Their number is the version of the layout.
///
/// Released migrations never change.
const STEPS: &[&str] = &[include_str!("1-store.sql"), include_str!("2-commits.sql")];

/// Waits until no other process migrates the layout.
const LOCK: &str = concat!("SELECT pg_advisory_xact_lock(", lock_key!(), ", 1)");

/// Whether there is a schema for the tables, whether the store's own tables are there, and whether any are. Those of extensions do
/// not count. It is one statement, which sees one moment.
const CONTENTS: &str = "SELECT current_schema() IS NOT NULL, coalesce(bool_or(c.relname = 'decnet_layout'), false), count(*) > 0
    FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')";

/// Whether the database refuses overlapping subnets by itself.
const APART: &str = "SELECT EXISTS (
    SELECT FROM pg_constraint WHERE conname = 'lans_apart' AND connamespace = current_schema()::regnamespace)";

/// The newest supported layout.
pub(super) fn latest() -> u32 {
    u32::try_from(STEPS.len()).unwrap_or(u32::MAX)
}

/// How long a step of a migration may take. It can rewrite large tables.
const STEP: Duration = Duration::from_mins(10);

/// Migrates an older layout, and refuses databases of other programs and newer layouts. Returns whether the database refuses
/// overlapping subnets by itself.
///
/// A database with the current layout is only read, so a read-only one can be opened. A server that does not answer within the
/// timeout counts as lost.
pub(super) async fn prepare(
    client: &mut ClientWrapper,
    server: &str,
    timeout: Duration,
    create: bool,
) -> Result<bool, Failure> {
    let moment = client.build_transaction();
    let moment = moment.isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    let moment = answer(moment.start(), timeout, server).await?;
    let found = version(&moment, server, timeout).await?;
    answer(moment.rollback(), timeout, server).await?;
    if found == 0 && !create {
        return Err(not_a_store(server, "an empty database"));
    }
    if found < latest() {
        migrate(client, server, timeout).await?;
    }
    let apart = answer(client.query_one(APART, &[]), timeout, server).await?;
    apart.try_get(0).map_err(|error| failure(error, server))
}

/// Returns the version of the layout; 0 for an empty schema.
async fn version(moment: &Transaction<'_>, server: &str, timeout: Duration) -> Result<u32, Failure> {
    let failed = |error| failure(error, server);
    let row = answer(moment.query_one(CONTENTS, &[]), timeout, server).await?;
    let (has_schema, is_ours): (bool, bool) = (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
    let has_tables: bool = row.try_get(2).map_err(failed)?;
    if !has_schema {
        return Err(RepoError::DatabaseRefused {
            server: server.into(),
            source: "no schema of the search path exists, or the user may not use it".into(),
        }
        .into());
    }
    match (is_ours, has_tables) {
        (true, _) => {}
        (false, true) => return Err(not_a_store(server, FOREIGN)),
        (false, false) => return Ok(0),
    }
    let rows = answer(moment.query("SELECT version FROM decnet_layout", &[]), timeout, server).await?;
    let [row] = &rows[..] else {
        return Err(not_a_store(server, FOREIGN));
    };
    let found: i64 = row.try_get(0).map_err(failed)?;
    match u32::try_from(found) {
        Ok(found) if found <= latest() => Ok(found),
        found => Err(too_new(server, found.unwrap_or(u32::MAX))),
    }
}

/// Returns the failure for a layout of a newer program.
pub(super) fn too_new(server: &str, found: u32) -> Failure {
    let refused = RepoError::TooNew {
        path: server.into(),
        found,
        known: latest(),
    };
    refused.into()
}

const FOREIGN: &str = "a database of another program";

fn not_a_store(server: &str, what: &str) -> Failure {
    let refused = RepoError::NotAStore {
        path: server.into(),
        what: what.into(),
    };
    refused.into()
}

/// Migrates the layout in one transaction, after those of other processes. It waits for a lock until the timeout.
async fn migrate(client: &mut ClientWrapper, server: &str, timeout: Duration) -> Result<(), Failure> {
    let transaction = answer(client.transaction(), timeout, server).await?;
    let lock = format!("SET LOCAL lock_timeout = {}; {LOCK}", timeout.as_millis());
    answer(transaction.batch_execute(&lock), timeout, server).await?;
    let mut found = version(&transaction, server, timeout).await?;
    if found == 0 {
        let table = "CREATE TABLE decnet_layout (version bigint NOT NULL); INSERT INTO decnet_layout VALUES (0)";
        answer(transaction.batch_execute(table), timeout, server).await?;
    }
    for step in STEPS.iter().skip(found as usize) {
        answer(transaction.batch_execute(step), timeout.max(STEP), server).await?;
        found += 1;
        if found == 1 {
            let (instance, secret) = (rng::instance_id().to_string(), rng::installation_secret().to_string());
            let insert = "INSERT INTO meta (instance, secret) VALUES ($1, $2)";
            answer(transaction.execute(insert, &[&instance, &secret]), timeout, server).await?;
        }
    }
    let update = "UPDATE decnet_layout SET version = $1";
    answer(transaction.execute(update, &[&i64::from(found)]), timeout, server).await?;
    answer(transaction.commit(), timeout, server).await
}
