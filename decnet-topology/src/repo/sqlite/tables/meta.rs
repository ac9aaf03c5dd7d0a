//! The table `meta`.

use rusqlite::Transaction;

use crate::{
    id::InstanceId,
    repo::sqlite::{
        columns::collect,
        fault::{Fault, corrupt},
    },
    secret::InstallationSecret,
};

/// Returns the store's own id.
pub(in crate::repo::sqlite) fn instance(moment: &Transaction<'_>) -> Result<InstanceId, Fault> {
    let mut statement = moment.prepare_cached("SELECT instance FROM meta")?;
    let found = collect(statement.query([])?, |row| {
        let instance: InstanceId = row.word()?;
        Ok(instance)
    })?;
    match found[..] {
        [instance] => Ok(instance),
        _ => Err(corrupt(format!("{} instance ids", found.len()))),
    }
}

/// Returns the store's secret.
pub(in crate::repo::sqlite) fn secret(moment: &Transaction<'_>) -> Result<InstallationSecret, Fault> {
    let mut statement = moment.prepare_cached("SELECT secret FROM meta")?;
    let found = collect(statement.query([])?, |row| {
        let secret: InstallationSecret = row.word()?;
        Ok(secret)
    })?;
    match &found[..] {
        [secret] => Ok(secret.clone()),
        _ => Err(corrupt(format!("{} secrets", found.len()))),
    }
}
