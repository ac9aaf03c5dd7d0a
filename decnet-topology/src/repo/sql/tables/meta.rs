//! The table `meta`.

use crate::{
    id::InstanceId,
    repo::{
        RepoError,
        sql::{Sql, collect, corrupt},
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
