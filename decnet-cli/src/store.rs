//! The path of the database, and how it is opened.

use std::{fs, path::PathBuf, sync::Arc};

use decnet_topology::{Repo, SqliteRepo};
use etcetera::BaseStrategy;

use crate::{command_error::CommandError, globals::Globals};

/// Returns the path of the database: as given, or in the user's data folder.
pub(crate) fn path(globals: &Globals) -> Result<PathBuf, CommandError> {
    path_or_default(globals.db.clone())
}

/// Returns the given path, or the one in the user's data folder.
pub(crate) fn path_or_default(given: Option<PathBuf>) -> Result<PathBuf, CommandError> {
    if let Some(path) = given {
        return Ok(path);
    }
    let strategy = etcetera::choose_base_strategy().map_err(|_| CommandError::NoDataFolder)?;
    Ok(strategy.data_dir().join("decnet").join("decnet.db"))
}

/// Opens the database. The one in the user's data folder is created with its folder on first use.
pub(crate) fn open(globals: &Globals) -> Result<SqliteRepo, CommandError> {
    let path = path(globals)?;
    if globals.db.is_none()
        && let Some(folder) = path.parent()
    {
        fs::create_dir_all(folder).map_err(|source| CommandError::DataFolder {
            path: folder.into(),
            source,
        })?;
    }
    Ok(SqliteRepo::open(path)?)
}

/// Opens the database as a `Repo`.
pub(crate) fn open_shared(globals: &Globals) -> Result<Arc<dyn Repo>, CommandError> {
    Ok(Arc::new(open(globals)?))
}
