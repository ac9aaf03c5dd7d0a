//! What the process leaves with, what is said about an error, and what people are advised to do: decided here and nowhere else.

use std::{error::Error, io, path::PathBuf, process::ExitCode};

use decnet_engine::{engine::EngineError, plan::PlanError, runtime::RuntimeError};
use decnet_topology::{
    Finding, RepoError, Status,
    alloc::{AllocError, ResolveError},
    catalog::CatalogError,
    config::InvalidConfig,
    document::DocumentError,
    generate::GenerateError,
};
use serde::Serialize;

use crate::{
    output::{Output, Style, say},
    text,
};

/// What the process leaves with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It was done.
    Done,
    /// It failed.
    Failed,
    /// It was asked for in a way that makes no sense.
    Usage,
    /// A document, a config or a maze breaks rules; what was found is printed.
    Invalid,
    /// Someone or something else is in the way: a version, a lease, a status, a name.
    Conflict,
    /// Docker is out of reach.
    Unreachable,
    /// It failed, and what was done was undone.
    RolledBack,
    /// It was called off, after the undo.
    Interrupted,
}

impl Exit {
    /// Returns the number.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Invalid => 3,
            Self::Conflict => 4,
            Self::Unreachable => 5,
            Self::RolledBack => 6,
            Self::Interrupted => 130,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// Says why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// The engine refused or failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The store refused.
    #[error(transparent)]
    Repo(#[from] RepoError),
    /// Docker refused or is out of reach.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A config is wrong.
    #[error("the config breaks {}", text::count(.0.faults.len(), "rule", "rules"))]
    Config(InvalidConfig),
    /// No maze could be drawn.
    #[error("no maze could be drawn")]
    Generate(#[source] GenerateError),
    /// A draft could not be completed.
    #[error("the maze could not be completed")]
    Resolve(#[source] ResolveError),
    /// An allocator ran dry.
    #[error(transparent)]
    Alloc(#[from] AllocError),
    /// A catalogue is wrong.
    #[error("the catalogue {} cannot be used", .path.display())]
    Catalog {
        /// Where it is.
        path: PathBuf,
        /// Why.
        source: CatalogError,
    },
    /// A document breaks rules.
    #[error("{origin} breaks {}", text::count(.findings.len(), "rule", "rules"))]
    Document {
        /// Where it came from.
        origin: String,
        /// What was found.
        findings: Vec<Finding>,
    },
    /// A name is none.
    #[error("`{text}` is no name")]
    Name {
        /// The text.
        text: String,
        /// Why.
        source: decnet_topology::NameError,
    },
    /// A file could not be read.
    #[error("{} cannot be read", .path.display())]
    Read {
        /// Where it is.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not what it should be.
    #[error("{origin} cannot be read as {syntax}")]
    Parse {
        /// Where it came from.
        origin: String,
        /// What it should be.
        syntax: &'static str,
        /// Why it is not.
        reason: String,
    },
    /// A file or folder could not be written.
    #[error("{} cannot be written", .path.display())]
    Write {
        /// Where it is.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The user's data folder is not known.
    #[error("the user's data folder is not known")]
    NoDataFolder,
    /// There is no such topology.
    #[error("no topology is called `{text}`, and no id begins so")]
    NoTopology {
        /// What was typed.
        text: String,
    },
    /// Several topologies could be meant.
    #[error("`{text}` could be any of {}", .candidates.join(", "))]
    Ambiguous {
        /// What was typed.
        text: String,
        /// What could be meant, with names.
        candidates: Vec<String>,
    },
    /// There is no LAN, service or the like of that name.
    #[error("there is no {kind} `{name}`")]
    Unknown {
        /// What was looked for.
        kind: &'static str,
        /// What was typed.
        name: String,
    },
    /// A maze of that name is stored, and differs.
    #[error("`{name}` is {status} and differs from {origin}")]
    Differs {
        /// The name.
        name: String,
        /// Its status.
        status: Status,
        /// Where the other came from.
        origin: String,
    },
    /// What runs would be forgotten.
    #[error("{count} of the store are not down: {names}")]
    InUse {
        /// How many, in words.
        count: String,
        /// Which.
        names: String,
    },
    /// Something of it is left on Docker.
    #[error("`{name}` still has {count} on Docker")]
    LeftOnDocker {
        /// The name.
        name: String,
        /// How much, in words.
        count: String,
    },
    /// Removing what was left behind did not fully succeed.
    #[error("not all could be reaped: {0}")]
    ReapIncomplete(String),
    /// Reaping was called off.
    #[error("the reaping was interrupted")]
    ReapInterrupted,
    /// A thing that destroys was asked for and not confirmed.
    #[error("not confirmed: {what}")]
    Unconfirmed {
        /// What would be destroyed.
        what: String,
    },
    /// What was asked for makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The decoy program is not part of this build.
    #[error("this build has no decoy program for Linux")]
    NoDecoy,
    /// Stdout cannot be written to.
    #[error("the output cannot be written")]
    Stdout {
        /// Why.
        source: io::Error,
    },
    /// A value does not print as JSON.
    #[error("the output cannot be printed as JSON")]
    Json {
        /// Why.
        source: serde_json::Error,
    },
    /// Signals cannot be caught.
    #[error("signals cannot be caught")]
    Signals {
        /// Why.
        source: io::Error,
    },
    /// Threads cannot be started.
    #[error("threads cannot be started")]
    Threads {
        /// Why.
        source: io::Error,
    },
}

impl From<InvalidConfig> for CommandError {
    fn from(error: InvalidConfig) -> Self {
        Self::Config(error)
    }
}

impl CommandError {
    /// Makes the error of a text that is no document.
    pub(crate) fn document(origin: impl Into<String>, error: DocumentError) -> Self {
        Self::Document {
            origin: origin.into(),
            findings: error.findings,
        }
    }

    /// Makes the error of a draft that could not be completed.
    pub(crate) fn resolve(origin: impl Into<String>, error: ResolveError) -> Self {
        match error {
            ResolveError::Unsound { report } => Self::Document {
                origin: origin.into(),
                findings: report.errors().cloned().collect(),
            },
            error => Self::Resolve(error),
        }
    }

    /// Makes the error of a maze that could not be drawn.
    pub(crate) fn generate(error: GenerateError) -> Self {
        match error {
            GenerateError::Config(config) => Self::Config(config),
            error => Self::Generate(error),
        }
    }

    /// Decides what the process leaves with.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Engine(error) => of_engine(error),
            Self::Repo(error) => of_repo(error),
            Self::Runtime(error) => of_runtime(error),
            Self::Config(_) | Self::Document { .. } | Self::Catalog { .. } | Self::Parse { .. } | Self::Name { .. } => {
                Exit::Invalid
            }
            Self::Ambiguous { .. } | Self::Usage(_) | Self::Unconfirmed { .. } => Exit::Usage,
            Self::Differs { .. } | Self::InUse { .. } | Self::LeftOnDocker { .. } => Exit::Conflict,
            Self::ReapInterrupted => Exit::Interrupted,
            // Who reads our output may stop reading; that is no failure.
            Self::Stdout { source } if source.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            _ => Exit::Failed,
        }
    }

    /// Names the kind of error, for programs.
    fn code(&self) -> &'static str {
        match self {
            Self::Engine(error) => match error {
                EngineError::Busy { .. } => "busy",
                EngineError::WrongStatus { .. } => "wrong_status",
                EngineError::AgentMode { .. } => "agent_mode",
                EngineError::Plan(PlanError::Destructive { .. }) => "destructive",
                EngineError::DeployFailed { .. } => "deploy_failed",
                EngineError::Interrupted { .. } => "interrupted",
                EngineError::TeardownIncomplete { .. } => "teardown_incomplete",
                EngineError::Invalid(_) => "invalid",
                EngineError::Runtime(error) => runtime_code(error),
                EngineError::Repo(error) => repo_code(error),
                _ => "engine",
            },
            Self::Repo(error) => repo_code(error),
            Self::Runtime(error) => runtime_code(error),
            Self::Config(_) => "invalid_config",
            Self::Document { .. } => "invalid",
            Self::Catalog { .. } => "invalid_catalog",
            Self::Parse { .. } => "malformed",
            Self::Name { .. } => "invalid_name",
            Self::Generate(_) | Self::Resolve(_) | Self::Alloc(_) => "exhausted",
            Self::NoTopology { .. } | Self::Unknown { .. } => "not_found",
            Self::Ambiguous { .. } => "ambiguous",
            Self::Differs { .. } => "differs",
            Self::InUse { .. } => "in_use",
            Self::LeftOnDocker { .. } => "left_on_docker",
            Self::ReapIncomplete(_) => "reap_incomplete",
            Self::ReapInterrupted => "interrupted",
            Self::Unconfirmed { .. } => "unconfirmed",
            Self::Usage(_) => "usage",
            Self::Read { .. } | Self::Write { .. } | Self::Stdout { .. } | Self::NoDataFolder => "io",
            Self::NoDecoy | Self::Json { .. } | Self::Signals { .. } | Self::Threads { .. } => "internal",
        }
    }

    /// Advises what to do.
    fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Engine(error) => return engine_hint(error),
            Self::Repo(error) => return repo_hint(error),
            Self::Runtime(error) => return runtime_hint(error),
            Self::Config(_) => "mend the config or the flags; `decnet generate --help` says what is allowed",
            Self::Generate(GenerateError::Subnets { .. }) | Self::Alloc(AllocError::SubnetsExhausted { .. }) => {
                "give a larger pool with --subnet-base-prefix, smaller LANs with --lan-prefix, or tear mazes down"
            }
            Self::Generate(GenerateError::Addresses { .. }) => "give larger LANs with --lan-prefix, or fewer deckies",
            Self::Resolve(ResolveError::Subnets { .. }) => "write subnets into the file, or tear mazes down",
            Self::Resolve(ResolveError::Addresses { .. }) => "give the LAN a larger subnet, or take deckies from it",
            Self::Alloc(AllocError::AddressesExhausted { .. }) => "the LAN is full: make another, or a larger one",
            Self::Document { .. } => "mend the file; `decnet validate FILE` checks it, `decnet schema` describes it",
            Self::Catalog { .. } => {
                "mend the file given by --catalog; `decnet services --json` shows what entries look like"
            }
            Self::NoTopology { .. } => "`decnet list --all` names them; --db says which database is looked into",
            Self::Ambiguous { .. } => "give more of the id",
            Self::Differs { .. } => {
                "`decnet teardown` it and apply again, or give the file another name; what runs is not replaced by a file"
            }
            Self::InUse { .. } => {
                "tear them down first; --force forgets them and leaves what runs to `decnet reap --instance`"
            }
            Self::LeftOnDocker { .. } => "`decnet teardown` removes it",
            Self::ReapIncomplete(_) => "run it again; `decnet doctor` tells what Docker says",
            Self::ReapInterrupted => "`decnet reap` takes it up where it stopped",
            Self::Unconfirmed { .. } => "--yes confirms it",
            Self::NoDataFolder => "set HOME, or give a database with --db",
            Self::NoDecoy => "give one with --decoy FILE",
            Self::Write { .. } => "check that the folder is there and may be written to",
            _ => return None,
        })
    }

    /// Advises what to do, or nothing.
    pub(crate) fn advice(&self) -> &'static str {
        self.hint().unwrap_or_default()
    }

    /// Says it with its causes, in one line.
    pub(crate) fn in_full(&self) -> String {
        let mut text = self.to_string();
        for cause in causes(self) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        text
    }

    /// Returns what was found, where a document or a maze broke rules.
    fn findings(&self) -> &[Finding] {
        match self {
            Self::Document { findings, .. } => findings,
            Self::Engine(EngineError::Invalid(invalid)) => invalid.report.findings(),
            _ => &[],
        }
    }

    /// Returns what else should be said, a line each.
    fn details(&self) -> Vec<String> {
        let failures = |failures: &[decnet_engine::execute::StepFailure]| -> Vec<String> {
            failures
                .iter()
                .map(|failure| format!("{failure}: {}", failure.source))
                .collect()
        };
        let left = |leftovers: &[String]| leftovers.iter().map(|what| format!("left: {what}")).collect::<Vec<_>>();
        let undone = |undo: &[decnet_engine::execute::StepFailure]| -> Vec<String> {
            failures(undo)
                .iter()
                .map(|failure| format!("while undoing: {failure}"))
                .collect()
        };
        match self {
            Self::Config(config) => config.faults.iter().map(ToString::to_string).collect(),
            Self::Parse { reason, .. } => vec![reason.clone()],
            Self::Engine(EngineError::DeployFailed {
                failures: all,
                undo_failures,
                leftovers,
                ..
            }) => {
                // The first is in the message.
                [
                    failures(all.get(1..).unwrap_or_default()),
                    undone(undo_failures),
                    left(leftovers),
                ]
                .concat()
            }
            Self::Engine(EngineError::Interrupted {
                undo_failures,
                leftovers,
                ..
            }) => [undone(undo_failures), left(leftovers)].concat(),
            Self::Engine(EngineError::TeardownIncomplete {
                failures: all,
                leftovers,
                ..
            }) => [failures(all.get(1..).unwrap_or_default()), left(leftovers)].concat(),
            _ => Vec::new(),
        }
    }
}

fn of_engine(error: &EngineError) -> Exit {
    match error {
        EngineError::Repo(error) => of_repo(error),
        EngineError::Runtime(error) => of_runtime(error),
        EngineError::Invalid(_) => Exit::Invalid,
        EngineError::Busy { .. } | EngineError::WrongStatus { .. } | EngineError::Plan(_) => Exit::Conflict,
        EngineError::DeployFailed { .. } => Exit::RolledBack,
        EngineError::Interrupted { .. } => Exit::Interrupted,
        _ => Exit::Failed,
    }
}

fn of_repo(error: &RepoError) -> Exit {
    match error {
        RepoError::NameTaken { .. }
        | RepoError::SubnetClaimed { .. }
        | RepoError::VersionConflict { .. }
        | RepoError::NotEditable { .. }
        | RepoError::NotDeletable { .. }
        | RepoError::StatusConflict { .. }
        | RepoError::IllegalStatus { .. }
        | RepoError::LeaseHeld { .. }
        | RepoError::LeaseLost { .. } => Exit::Conflict,
        _ => Exit::Failed,
    }
}

fn of_runtime(error: &RuntimeError) -> Exit {
    match error {
        error if error.is_unreachable() => Exit::Unreachable,
        RuntimeError::Foreign { .. } | RuntimeError::SubnetTaken { .. } | RuntimeError::PortTaken { .. } => {
            Exit::Conflict
        }
        RuntimeError::Cancelled { .. } => Exit::Interrupted,
        _ => Exit::Failed,
    }
}

fn repo_code(error: &RepoError) -> &'static str {
    match error {
        RepoError::NotFound { .. } => "not_found",
        RepoError::NameTaken { .. } => "name_taken",
        RepoError::SubnetClaimed { .. } => "subnet_claimed",
        RepoError::VersionConflict { .. } => "version_conflict",
        RepoError::NotEditable { .. } | RepoError::NotDeletable { .. } | RepoError::IllegalStatus { .. } => {
            "wrong_status"
        }
        RepoError::StatusConflict { .. } => "status_conflict",
        RepoError::LeaseHeld { .. } | RepoError::LeaseLost { .. } => "busy",
        RepoError::TooNew { .. } => "database_too_new",
        RepoError::Locked => "database_locked",
        RepoError::ReadOnly => "database_read_only",
        RepoError::Full => "disk_full",
        RepoError::Corrupt { .. } => "database_damaged",
        _ => "database",
    }
}

fn runtime_code(error: &RuntimeError) -> &'static str {
    match error {
        RuntimeError::Unreachable { .. } => "docker_unreachable",
        RuntimeError::TooOld { .. } => "docker_too_old",
        RuntimeError::TimedOut { .. } => "docker_timeout",
        RuntimeError::Foreign { .. } => "foreign",
        RuntimeError::SubnetTaken { .. } => "subnet_taken",
        RuntimeError::PortTaken { .. } => "port_taken",
        RuntimeError::ImageUnavailable { .. } => "image_unavailable",
        _ => "docker",
    }
}

fn engine_hint(error: &EngineError) -> Option<&'static str> {
    Some(match error {
        EngineError::Repo(error) => return repo_hint(error),
        EngineError::Runtime(error) => return runtime_hint(error),
        EngineError::Invalid(_) => "mend the maze and apply it again; what runs was left as it is",
        EngineError::Busy { .. } => "wait until it is done; the lease of a process that died runs out by itself",
        EngineError::WrongStatus {
            status: Status::TearingDown | Status::Degraded,
            ..
        } => "`decnet teardown` takes it down for good; after that it can be deployed anew",
        EngineError::WrongStatus {
            status: Status::Pending,
            ..
        } => "`decnet deploy` raises it",
        EngineError::WrongStatus { .. } => "`decnet show` tells what it is doing",
        EngineError::Plan(PlanError::Destructive { .. }) => {
            "`decnet plan` shows the steps; --force takes them all the same"
        }
        EngineError::DeployFailed {
            leftovers, failures, ..
        } => {
            if !leftovers.is_empty() {
                return Some("`decnet teardown` removes what is left");
            }
            return match failures.first() {
                Some(failure) => runtime_hint(&failure.source).or(Some("mend the cause and deploy again")),
                None => Some("another process took over; `decnet show` tells how far it is"),
            };
        }
        EngineError::Interrupted { leftovers, .. } if !leftovers.is_empty() => "`decnet teardown` removes what is left",
        EngineError::Interrupted { .. } => "nothing of this run is left; the same command starts afresh",
        EngineError::TeardownIncomplete { .. } => "`decnet teardown` again takes up where this stopped",
        _ => return None,
    })
}

fn repo_hint(error: &RepoError) -> Option<&'static str> {
    Some(match error {
        RepoError::NameTaken { .. } => "give another name, or tear the other down first",
        RepoError::SubnetClaimed { .. } => {
            "choose another subnet (`decnet next-subnet` names one), or tear the other down first"
        }
        RepoError::VersionConflict { .. } | RepoError::StatusConflict { .. } => {
            "someone else was faster; look and try again"
        }
        RepoError::NotEditable { .. } => "only pending topologies are edited so; tear it down first",
        RepoError::NotDeletable { .. } => "`decnet teardown` it first",
        RepoError::LeaseHeld { .. } | RepoError::LeaseLost { .. } => "wait until the other is done",
        RepoError::TooNew { .. } => "update decnet, or give another database with --db",
        RepoError::Open { .. } => "check the path and its permissions; --db names another database",
        RepoError::Locked => "wait for the other process, or find it: `fuser` tells who has the file open",
        RepoError::ReadOnly => "make the file and its folder writable, or give another database with --db",
        RepoError::Full => "free some space and try again; nothing was lost",
        RepoError::Corrupt { .. } => {
            "restore the file from a backup, or `decnet db reset --force --yes`; `decnet doctor` lists what runs without it"
        }
        _ => return None,
    })
}

fn runtime_hint(error: &RuntimeError) -> Option<&'static str> {
    Some(match error {
        RuntimeError::Unreachable { .. } => {
            "start Docker (`systemctl start docker`), check that you may use its socket, or name it with --host or DOCKER_HOST"
        }
        RuntimeError::TooOld { .. } => "update Docker to 20.10 or newer",
        RuntimeError::TimedOut { .. } => "the daemon is overloaded or stuck; --timeout waits longer",
        RuntimeError::Foreign { .. } => {
            "rename the maze or remove the other by hand; decnet never touches what is not its own"
        }
        RuntimeError::SubnetTaken { .. } => {
            "`decnet doctor` lists networks; choose another subnet (`decnet next-subnet`)"
        }
        RuntimeError::PortTaken { .. } => "stop what listens there, or publish elsewhere: --publish ssh=2222",
        RuntimeError::ImageUnavailable { .. } => {
            "check the name in the catalogue, and that the registry can be reached"
        }
        _ => return None,
    })
}

/// Says what went wrong on stderr, and decides what the process leaves with.
pub(crate) fn report(error: &CommandError, output: Output) -> Exit {
    let exit = error.exit();
    if exit == Exit::Done {
        return exit;
    }
    if output.json {
        say_as_json(&Body {
            code: error.code(),
            message: error.to_string(),
            hint: error.hint(),
            exit: exit.code(),
            causes: causes(error),
            details: error.details(),
            findings: error.findings(),
        });
        return exit;
    }
    say(&format!(
        "{} {}",
        output.paint(Style::Error, "error:"),
        text::visible(&error.to_string())
    ));
    for cause in causes(error) {
        say(&format!("  caused by: {}", text::visible(&cause)));
    }
    for detail in error.details() {
        say(&format!("  {}", text::visible(&detail)));
    }
    for finding in error.findings() {
        say(&format!("  {}", text::visible(&finding.to_string())));
    }
    if let Some(hint) = error.hint() {
        say(&format!("{} {hint}", output.paint(Style::Hint, "hint:")));
    }
    exit
}

/// Returns what an error was caused by, the nearest first, without what was said already.
fn causes(error: &CommandError) -> Vec<String> {
    let mut causes = Vec::new();
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let words = source.to_string();
        if !said.contains(&words) {
            said = words.clone();
            causes.push(words);
        }
        cause = source.source();
    }
    causes
}

/// An error, for programs.
#[derive(Serialize)]
struct Body<'a> {
    code: &'a str,
    message: String,
    hint: Option<&'a str>,
    exit: u8,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    findings: &'a [Finding],
}

fn say_as_json(body: &Body<'_>) {
    #[derive(Serialize)]
    struct Envelope<'a> {
        error: &'a Body<'a>,
    }
    // Texts and numbers always print.
    if let Ok(line) = serde_json::to_string(&Envelope { error: body }) {
        say(&line);
    }
}

/// Says what is wrong with a command line, or prints the help that was asked for.
pub(crate) fn of_grammar(error: &clap::Error, wants_json: bool) -> Exit {
    if wants_json && error.use_stderr() {
        let message = error.to_string();
        let message = message.strip_prefix("error: ").unwrap_or(&message).trim_end();
        say_as_json(&Body {
            code: "usage",
            message: message.into(),
            hint: None,
            exit: Exit::Usage.code(),
            causes: Vec::new(),
            details: Vec::new(),
            findings: &[],
        });
        return Exit::Usage;
    }
    // A closed pipe changes nothing.
    let _ = error.print();
    if error.use_stderr() { Exit::Usage } else { Exit::Done }
}
