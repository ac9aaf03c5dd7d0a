//! The errors of the command, and of the libraries.

use std::{collections::BTreeMap, io, net::SocketAddr, path::PathBuf};

use decnet_engine::{
    AgentError, BindError, DesiredError, EngineError, FleetError, JoinError, LogCursorError, LogTargetError,
    NatsUrlError, PkiError, RuntimeError, TokenError,
};
use decnet_topology::{
    AllocError, CatalogError, Code, ConfigTextError, FindError, Finding, GenerateError, InvalidConfig, LineColumn,
    MutationError, RepoError, ServiceNotFound, Severity, Status, TopologyName,
};

use jiff::Timestamp;

use crate::text;

/// The reason why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// The engine refused or failed.
    #[error(transparent)]
    Engine(EngineError),
    /// A stored maze breaks rules, or conflicts with the host.
    #[error("{} breaks {}; nothing was changed", the_maze(.name.as_deref()), text::count(.findings.len(), "rule", "rules"))]
    Maze {
        /// The maze as the user named it.
        name: Option<String>,
        findings: Vec<Finding>,
    },
    /// A mutation would make a maze break rules.
    #[error("{} would break {}; nothing was changed", the_maze(.name.as_deref()), text::count(.findings.len(), "rule", "rules"))]
    Mutated {
        /// The maze as the user named it.
        name: Option<String>,
        findings: Vec<Finding>,
    },
    /// A config is wrong.
    #[error("the config breaks {}", text::count(.0.faults.len(), "rule", "rules"))]
    Config(InvalidConfig),
    /// The config of a file is wrong.
    #[error("{origin} breaks {}", text::count(.error.faults.len(), "rule", "rules"))]
    ConfigFile {
        origin: String,
        /// The places of the fields of the file; none for a field that a flag overrides.
        places: BTreeMap<String, Option<LineColumn>>,
        error: InvalidConfig,
    },
    /// An allocator has no free address or subnet.
    #[error(transparent)]
    Alloc(#[from] AllocError),
    /// A catalogue is wrong.
    #[error("the catalogue {} cannot be used", .path.display())]
    Catalog { path: PathBuf, error: CatalogError },
    /// A document breaks rules.
    #[error("{origin} {}", refused(.findings))]
    Document { origin: String, findings: Vec<Finding> },
    /// A file of another tool cannot be imported.
    #[error("{origin} cannot be imported")]
    NotImported { origin: String, findings: Vec<Finding> },
    /// A task on the file of a database, but the database is on a server.
    #[error("the database {address} is on a server: this command removes only files")]
    OnServer {
        /// The address, without the password.
        address: String,
    },
    /// A file would be replaced.
    #[error("the file {} exists already", .path.display())]
    FileExists { path: PathBuf },
    /// A file does not exist.
    #[error("the file {} does not exist{}", .path.display(), did_you_mean(.suggestion.as_deref()))]
    NoFile {
        path: PathBuf,
        /// A file in the same folder with a similar name.
        suggestion: Option<String>,
    },
    /// A file is needed, and the path is a folder.
    #[error("{} is a folder, but a file is needed", .path.display())]
    IsFolder { path: PathBuf },
    /// The name of a stored maze is needed, and the text is the path of a file.
    #[error("`{path}` is a file, but this command takes the name of a stored maze")]
    IsFile {
        path: String,
        /// The name of the maze in the file.
        maze: Option<String>,
    },
    /// A config is needed, and the file is a maze file.
    #[error("{origin} is a maze file, not a config")]
    NotAConfig { origin: String },
    /// A file could not be read.
    #[error("{} cannot be read", .path.display())]
    Read { path: PathBuf, source: io::Error },
    /// The text of a config cannot be parsed.
    #[error("{origin} cannot be read as {}", .error.syntax)]
    Parse { origin: String, error: ConfigTextError },
    /// A file or folder could not be written.
    #[error("{} cannot be written", .path.display())]
    Write { path: PathBuf, source: io::Error },
    /// The folder of the database cannot be created.
    #[error("the folder {} of the database cannot be created", .path.display())]
    DataFolder { path: PathBuf, source: io::Error },
    /// The user's data folder is unknown.
    #[error("the user's data folder is unknown")]
    NoDataFolder,
    /// A text does not name one stored maze.
    #[error(transparent)]
    Find(FindError),
    /// The bus cannot be served.
    #[error(transparent)]
    Bus(#[from] BindError),
    /// The URL of the bus is invalid.
    #[error(transparent)]
    NatsUrl(#[from] NatsUrlError),
    /// The bus is on a server, which `decnet bus` does not serve.
    #[error("the bus is on the server {server}")]
    BusOnServer { server: String },
    /// A server cannot listen.
    #[error("cannot listen on {address}")]
    Listen { address: SocketAddr, source: io::Error },
    /// The tokens of the HTTP API cannot be read or changed.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// A host could not join a fleet.
    #[error(transparent)]
    Join(#[from] JoinError),
    /// The agent of this host ended.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// A text is not a token for joining, or no host has a name.
    #[error(transparent)]
    Fleet(#[from] FleetError),
    /// Something of mazes may still be on a host that they were to leave.
    #[error("{} could not move everything from {host}", text::count(.unmoved.len(), "maze", "mazes"))]
    NotMoved { host: String, unmoved: Vec<Unmoved> },
    /// A maze is deployed by the agent of a host, so it does not move to another one.
    #[error("`{name}` is deployed by the agent of {host}, and does not move")]
    NotMovable { name: String, host: String },
    /// A maze does not match its desired state after an operation.
    #[error("`{name}` is degraded: {reason}")]
    Degraded { name: String, reason: String },
    /// The state of an agent cannot be used.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The store of the agent cannot be used.
    #[error("the agent cannot use its store {}", .path.display())]
    AgentStore { path: PathBuf, source: RepoError },
    /// The agent of this host has not joined a fleet.
    #[error("this host has not joined a fleet: {} has no state of an agent", .folder.display())]
    NotJoined { folder: PathBuf },
    /// The address of the agent is not known.
    #[error("the address at which masters reach this host is not known: {reason}; give it with --address HOST:PORT")]
    NoAgentAddress { reason: String },
    /// A host did not answer in time.
    #[error("no answer within {seconds} s")]
    Silent { seconds: u64 },
    /// The given time is before the topology was stored.
    #[error("`{name}` has no history at {}: it begins at {}, when the maze was stored", text::time(*.at), text::time(*.created))]
    TooEarly {
        name: String,
        at: Timestamp,
        created: Timestamp,
    },
    /// No service has that name.
    #[error(transparent)]
    Service(#[from] ServiceNotFound),
    /// A LAN with that name does not exist.
    #[error("no {kind} named `{name}`{hint}")]
    Unknown {
        kind: &'static str,
        name: String,
        /// A similar name, as the end of the sentence.
        hint: String,
    },
    /// Another maze with that name is stored and is not pending.
    #[error("`{name}` is {status} and differs from {origin}")]
    Differs {
        name: String,
        status: Status,
        origin: String,
    },
    /// A database with running mazes would be removed.
    #[error("the database has mazes that are still up: {names}")]
    InUse { names: String },
    /// A reap did not remove everything.
    #[error("the reap is incomplete: {0}")]
    ReapIncomplete(String),
    /// A reap was interrupted.
    #[error("the reap was interrupted")]
    ReapInterrupted,
    /// A destructive command was not confirmed.
    #[error("not confirmed: {what}")]
    Unconfirmed { what: String },
    /// A reap would remove running containers, and that was not confirmed.
    #[error("not confirmed: {what}")]
    WouldStop { what: String },
    /// The arguments are invalid.
    #[error("{0}")]
    Usage(String),
    /// Stdout cannot be written to.
    #[error("the output cannot be written")]
    Stdout(#[source] io::Error),
    /// A value cannot be printed as JSON.
    #[error("the output cannot be printed as JSON")]
    Json(#[from] serde_json::Error),
    /// The cursor of a log cannot be used.
    #[error(transparent)]
    LogCursor(#[from] LogCursorError),
    /// Log items cannot be sent.
    #[error(transparent)]
    LogTarget(LogTargetError),
    /// Signals cannot be caught.
    #[error("signals cannot be caught")]
    Signals(#[source] io::Error),
    /// Threads cannot be started.
    #[error("threads cannot be started")]
    Threads(#[source] io::Error),
}

/// A maze of which something may still be on a host that it was to leave.
#[derive(Debug)]
pub(crate) struct Unmoved {
    /// Its name.
    pub(crate) maze: String,
    /// Why it did not move.
    pub(crate) error: Box<CommandError>,
}

impl From<EngineError> for CommandError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Invalid(invalid) => Self::Maze {
                name: None,
                findings: invalid.report.into_errors(),
            },
            EngineError::Mutation(MutationError::ResultInvalid { report }) => Self::Mutated {
                name: None,
                findings: report.into_errors(),
            },
            EngineError::Config(config) => Self::Config(config),
            error => Self::Engine(error),
        }
    }
}

macro_rules! errors_of_the_engine {
    ($($error:ty),*) => {$(
        impl From<$error> for CommandError {
            fn from(error: $error) -> Self {
                EngineError::from(error).into()
            }
        }
    )*};
}

errors_of_the_engine!(DesiredError, GenerateError, MutationError, RepoError, RuntimeError);

impl From<InvalidConfig> for CommandError {
    fn from(error: InvalidConfig) -> Self {
        Self::Config(error)
    }
}

impl From<LogTargetError> for CommandError {
    fn from(error: LogTargetError) -> Self {
        match error {
            LogTargetError::Store(error) => error.into(),
            error => Self::LogTarget(error),
        }
    }
}

impl From<FindError> for CommandError {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Repo(error) => error.into(),
            error => Self::Find(error),
        }
    }
}

impl CommandError {
    /// Names the maze that the error is about, as the user typed it, if the error does not name it.
    pub(crate) fn about(mut self, maze: Option<&str>) -> Self {
        if let Self::Maze { name, .. } | Self::Mutated { name, .. } = &mut self {
            *name = maze.map(ToOwned::to_owned);
        }
        self
    }

    /// Returns the function that creates the error for a file that could not be read.
    pub(crate) fn reading(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Read {
            path: path.into(),
            source,
        }
    }

    /// Returns the function that creates the error for a file or folder that could not be written.
    pub(crate) fn writing(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Write {
            path: path.into(),
            source,
        }
    }

    /// Returns the stable code of the error.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Engine(error) => error.code(),
            Self::Find(error) => error.code(),
            Self::Config(error) | Self::ConfigFile { error, .. } => error.code(),
            Self::Alloc(error) => error.code(),
            Self::Bus(error) => error.code(),
            Self::NatsUrl(error) => error.code(),
            Self::BusOnServer { .. } => "bus_on_server",
            Self::Token(error) => error.code(),
            Self::Join(error) => error.code(),
            Self::Agent(error) => error.code(),
            Self::Fleet(error) => error.code(),
            Self::Pki(error) => error.code(),
            Self::NotJoined { .. } => "not_joined",
            Self::AgentStore { source, .. } => source.code(),
            Self::NotMoved { .. } => "not_moved",
            Self::NotMovable { .. } => "not_movable",
            Self::Degraded { .. } => "degraded",
            Self::Silent { .. } => "timed_out",
            Self::Listen { source, .. } => match source.kind() {
                io::ErrorKind::AddrInUse => "address_in_use",
                io::ErrorKind::PermissionDenied if source.raw_os_error().is_none() => "usage",
                _ => "io",
            },
            Self::Document { .. } | Self::NotImported { .. } | Self::Maze { .. } => "invalid",
            Self::FileExists { .. } => "destination_exists",
            Self::Mutated { .. } => "RESULT_INVALID",
            Self::Catalog { error, .. } => error.code(),
            Self::Service(error) => error.code(),
            Self::Parse { error, .. } => error.code(),
            Self::Unknown { .. } | Self::TooEarly { .. } => "not_found",
            Self::Differs { .. } => "differs",
            Self::InUse { .. } => "in_use",
            Self::OnServer { .. } => "database_on_server",
            Self::ReapIncomplete(_) => "reap_incomplete",
            Self::ReapInterrupted => "interrupted",
            Self::Unconfirmed { .. } | Self::WouldStop { .. } => "unconfirmed",
            Self::Usage(_)
            | Self::NoAgentAddress { .. }
            | Self::IsFile { .. }
            | Self::IsFolder { .. }
            | Self::NotAConfig { .. } => "usage",
            Self::NoFile { .. }
            | Self::Read { .. }
            | Self::Write { .. }
            | Self::Stdout(_)
            | Self::DataFolder { .. }
            | Self::NoDataFolder => "io",
            Self::LogCursor(error) => error.code(),
            Self::LogTarget(error) => error.code(),
            Self::Json(_) | Self::Signals(_) | Self::Threads(_) => "internal",
        }
    }

    /// Returns the name of the maze that the error is about, if it knows it.
    pub(crate) fn maze(&self) -> Option<&str> {
        match self {
            Self::Engine(error) => error.topology_name().map(TopologyName::as_str),
            Self::TooEarly { name, .. }
            | Self::Differs { name, .. }
            | Self::NotMovable { name, .. }
            | Self::Degraded { name, .. } => Some(name),
            _ => None,
        }
    }
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |near| format!(" (did you mean `{near}`?)"))
}

/// Returns the subject of a sentence about a maze.
fn the_maze(name: Option<&str>) -> String {
    name.map_or_else(|| "the maze".into(), |name| format!("`{name}`"))
}

/// Describes why a maze file is refused.
fn refused(findings: &[Finding]) -> String {
    if let [one] = findings
        && matches!(one.code, Code::DocSyntax | Code::DocFormat)
    {
        return match one.code {
            Code::DocSyntax => "cannot be read as a maze file",
            _ => "is not a maze file",
        }
        .into();
    }
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    let errors: u64 = errors.map(Finding::count).sum();
    format!("breaks {}", text::count(errors, "rule", "rules"))
}
