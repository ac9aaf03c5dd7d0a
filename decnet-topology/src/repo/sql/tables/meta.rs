//! The table `meta`.

use crate::{
    id::InstanceId,
    repo::{
        RepoError, rules,
        sql::{Sql, collect, corrupt, statement::number},
    },
    secret::InstallationSecret,
};

/// Returns the store's own id.
pub(in crate::repo) fn instance(sql: &mut dyn Sql) -> Result<InstanceId, RepoError> {
    let found = collect(sql, "SELECT instance FROM meta", &[], |row| {
        let instance: InstanceId = row.word()?;
        Ok(instance)
    })?;
    match found[..] {
        [instance] => Ok(instance),
        _ => Err(corrupt(format!("{} instance ids", found.len()))),
    }
}

/// Returns the store's secret.
pub(in crate::repo) fn secret(sql: &mut dyn Sql) -> Result<InstallationSecret, RepoError> {
    let found = collect(sql, "SELECT secret FROM meta", &[], |row| {
        let secret: InstallationSecret = row.word()?;
        Ok(secret)
    })?;
    match &found[..] {
        [secret] => Ok(secret.clone()),
        _ => Err(corrupt(format!("{} secrets", found.len()))),
    }
}

/// Draws a generation that is higher than all before, and higher than `above`. The row is locked until the end of the transaction.
pub(in crate::repo) fn next_generation(sql: &mut dyn Sql, above: u64) -> Result<u64, RepoError> {
    let least = i64::try_from(rules::lease::generation_after(above)?).unwrap_or(i64::MAX);
    let statement = "UPDATE meta SET generation = CASE WHEN generation < ?1 THEN ?1 ELSE generation + 1 END
         RETURNING generation";
    let drawn = number(sql, statement, &[least.into()])?;
    let drawn = drawn.and_then(|drawn| u64::try_from(drawn).ok());
    drawn.ok_or_else(|| corrupt("the store has no counter of generations"))
}
