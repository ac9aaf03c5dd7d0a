//! The place of the database, and how it is opened.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use decnet_topology::{PostgresOptions, PostgresRepo, Repo, RepoError, SqliteRepo};
use etcetera::BaseStrategy;

use crate::{command_error::CommandError, globals::Globals};

/// Where the database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a file.
    File(PathBuf),
    /// On a PostgreSQL server. The address may have a password.
    Server(String),
}

impl Place {
    /// Returns the given place, or the file in the user's data folder.
    pub(crate) fn or_default(given: Option<PathBuf>) -> Result<Self, CommandError> {
        let Some(given) = given else {
            return Ok(Self::File(data_folder()?.join("decnet.db")));
        };
        match given.to_str() {
            Some(text) if is_address(text) => Ok(Self::Server(text.to_owned())),
            _ => Ok(Self::File(given)),
        }
    }

    /// Returns whether opening it would create nothing, as far as that is known without a connection.
    pub(crate) fn may_exist(&self) -> bool {
        match self {
            Self::File(path) => path.exists(),
            Self::Server(_) => true,
        }
    }

    /// Returns the place for people and programs, without a password.
    pub(crate) fn shown(&self) -> Result<String, RepoError> {
        match self {
            Self::File(path) => Ok(path.display().to_string()),
            Self::Server(address) => PostgresRepo::shown_address(address),
        }
    }

    /// Opens the database, which must exist.
    pub(crate) async fn open_existing(&self) -> Result<Store, CommandError> {
        Ok(match self {
            Self::File(path) => {
                fs::metadata(path).map_err(CommandError::reading(path))?;
                Store::File(SqliteRepo::open(path)?)
            }
            Self::Server(address) => Store::Server(PostgresOptions::default().create(false).open(address).await?),
        })
    }
}

/// Any word with a scheme is an address: a typo in it does not become the name of a file.
fn is_address(text: &str) -> bool {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// An open database.
#[derive(Debug)]
pub(crate) enum Store {
    /// In a file.
    File(SqliteRepo),
    /// On a server.
    Server(PostgresRepo),
}

impl Store {
    /// Returns it as a `Repo`.
    pub(crate) fn repo(&self) -> &dyn Repo {
        match self {
            Self::File(repo) => repo,
            Self::Server(repo) => repo,
        }
    }

    /// Shares it as a `Repo`.
    fn shared(self) -> Arc<dyn Repo> {
        match self {
            Self::File(repo) => Arc::new(repo),
            Self::Server(repo) => Arc::new(repo),
        }
    }

    /// Checks it for damage.
    pub(crate) async fn check(&self) -> Result<Vec<String>, RepoError> {
        match self {
            Self::File(repo) => repo.check().await,
            Self::Server(repo) => repo.check().await,
        }
    }

    /// Returns the version of its layout.
    pub(crate) fn schema_version(&self) -> u32 {
        match self {
            Self::File(repo) => repo.schema_version(),
            Self::Server(repo) => repo.schema_version(),
        }
    }

    /// Returns whether it can be written to.
    pub(crate) async fn is_writable(&self) -> Result<bool, RepoError> {
        match self {
            Self::File(repo) => Ok(repo.is_writable()),
            Self::Server(repo) => repo.is_writable().await,
        }
    }
}

pub(crate) fn data_folder() -> Result<PathBuf, CommandError> {
    let strategy = etcetera::choose_base_strategy().map_err(|_| CommandError::NoDataFolder)?;
    Ok(strategy.data_dir().join("decnet"))
}

/// Returns the place of the database: as given, or in the user's data folder.
pub(crate) fn place(globals: &Globals) -> Result<Place, CommandError> {
    Place::or_default(globals.db.clone())
}

/// Opens the database. The one in the user's data folder is created with its folder on first use.
pub(crate) async fn open_shared(globals: &Globals) -> Result<Arc<dyn Repo>, CommandError> {
    let store = match place(globals)? {
        Place::File(path) => {
            if globals.db.is_none()
                && let Some(folder) = path.parent()
            {
                create_folder(folder)?;
            }
            Store::File(SqliteRepo::open(path)?)
        }
        Place::Server(address) => Store::Server(PostgresRepo::open(&address).await?),
    };
    Ok(store.shared())
}

/// Returns the path of a file that belongs to the database: beside it, or in the user's data folder with a name made from the
/// server's address. Creates the data folder.
pub(crate) fn companion(globals: &Globals, ending: &str) -> Result<PathBuf, CommandError> {
    let place = place(globals)?;
    let (mut path, in_data_folder) = match &place {
        Place::File(path) => (path.clone().into_os_string(), globals.db.is_none()),
        Place::Server(_) => {
            let name = place
                .shown()?
                .replace(|character: char| !character.is_ascii_alphanumeric(), "-");
            (data_folder()?.join(name).into_os_string(), true)
        }
    };
    if in_data_folder && let Some(folder) = Path::new(&path).parent() {
        create_folder(folder)?;
    }
    path.push(ending);
    Ok(path.into())
}

fn create_folder(folder: &Path) -> Result<(), CommandError> {
    fs::create_dir_all(folder).map_err(|source| CommandError::DataFolder {
        path: folder.into(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_with_a_scheme_is_an_address_and_any_other_is_a_file() {
        let place = |text: &str| Place::or_default(Some(text.into())).expect("a place");
        for address in [
            "postgres://ann@db/maze",
            "postgresql://ann@db/maze",
            "mysql://ann@db/maze",
            "postgre://x",
        ] {
            assert_eq!(place(address), Place::Server(address.to_owned()));
        }
        for file in ["decnet.db", "/srv/a:b/decnet.db", "./postgres://x", "://x", "a b://x"] {
            assert_eq!(place(file), Place::File(file.into()));
        }
    }

    #[test]
    fn an_address_is_shown_without_its_password() {
        let place = Place::Server("postgres://ann:s3cret@db/maze".into());
        assert_eq!(place.shown().expect("it is valid"), "postgres://ann@db:5432/maze");
    }
}
