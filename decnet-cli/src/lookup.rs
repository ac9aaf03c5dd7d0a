//! Finds a maze: a stored one, or a file.

use std::path::Path;

use decnet_engine::Engine;
use decnet_topology::{
    FindError, Header, Placement, Repo, RepoError, StoredTopology, Topology, TopologyId, TopologyRow,
};

use crate::{
    command_error::CommandError,
    context::Context,
    globals::EngineFlags,
    input::{self, MazeFile},
    store,
};

/// Finds a stored maze by its id, its name, or the start of its id.
pub(crate) async fn find(repo: &dyn Repo, text: &str) -> Result<TopologyRow, CommandError> {
    match repo.find(text).await {
        Err(FindError::NotFound { .. }) if Path::new(text).is_file() => {
            let source = input::Source::new(text.as_ref());
            let name = source.maze_file().ok().map(|file| file.draft.header.name);
            Err(CommandError::IsFile {
                path: text.into(),
                maze: name.filter(|name| !name.is_empty()),
            })
        }
        found => Ok(found?),
    }
}

/// Finds a stored maze, and connects to Docker only then: a wrong name is reported first.
pub(crate) async fn engine(
    context: &Context,
    text: &str,
    flags: EngineFlags,
) -> Result<(Engine, TopologyRow), CommandError> {
    let repo = context.repo().await?;
    let row = find(repo.as_ref(), text).await?;
    let engine = context.engine_on(repo, context.catalog()?, flags, Some(&row)).await?;
    Ok((engine, row))
}

/// Finds the stored maze that a command is limited to, if it is limited to one.
pub(crate) async fn only(repo: &dyn Repo, text: Option<&str>) -> Result<Option<TopologyId>, CommandError> {
    match text {
        Some(text) => Ok(Some(find(repo, text).await?.id)),
        None => Ok(None),
    }
}

/// Returns whether hosts have joined that were not revoked.
pub(crate) async fn has_hosts(repo: &dyn Repo) -> Result<bool, RepoError> {
    Ok(repo.hosts().await?.iter().any(|host| host.revoked_at.is_none()))
}

/// A maze from a file or from the store.
pub(crate) enum Maze {
    /// A file, completed as if the store were empty.
    File(Box<MazeFile>, Topology),
    /// A stored maze.
    Stored(Box<StoredTopology>),
}

impl Maze {
    /// Returns what is known of the maze as a whole.
    pub(crate) fn header(&self) -> Header {
        match self {
            Self::File(file, _) => file.draft.header.clone(),
            Self::Stored(stored) => Header::from(&stored.row),
        }
    }

    /// Returns only the maze, and where it is on a fleet.
    pub(crate) fn into_placed(self) -> (Topology, Option<Placement>) {
        match self {
            Self::File(_, topology) => (topology, None),
            Self::Stored(stored) => (stored.topology, stored.row.placement),
        }
    }

    /// Returns only the maze.
    pub(crate) fn into_topology(self) -> Topology {
        match self {
            Self::File(_, topology) => topology,
            Self::Stored(stored) => stored.topology,
        }
    }
}

/// Reads a maze: `-` is stdin, the path of an existing file is that file, and anything else is a stored maze.
pub(crate) async fn maze(context: &Context, text: &str) -> Result<Maze, CommandError> {
    let source = input::Source::new(text.as_ref());
    let from_file = || {
        let (file, topology) = source.topology(&context.catalog()?)?;
        Ok(Maze::File(Box::new(file), topology))
    };
    if input::is_file(text) {
        return from_file();
    }
    let looks_like_file = input::looks_like_file(text);
    // A wrong file name does not create a database.
    if looks_like_file && !store::place(&context.globals)?.may_exist() {
        return from_file();
    }
    let repo = context.repo().await?;
    match find(repo.as_ref(), text).await {
        Ok(row) => Ok(Maze::Stored(Box::new(repo.load(row.id).await?))),
        Err(CommandError::Find(FindError::NotFound { .. })) if looks_like_file => from_file(),
        Err(error) => Err(error),
    }
}
