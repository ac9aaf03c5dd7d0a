//! Everything that can be wrong, whether a library says it or this program.

use std::{error::Error, io, path::PathBuf};

use decnet_engine::{bus::unix::BindError, engine::EngineError, execute::StepFailure, runtime::RuntimeError};
use decnet_topology::{
    Finding, MutationError, MutationId, RepoError, Status,
    alloc::{AllocError, ResolveError},
    catalog::CatalogError,
    config::InvalidConfig,
    document::DocumentError,
    generate::GenerateError,
};

use jiff::Timestamp;

use crate::text;

/// Says why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// The engine refused or failed.
    #[error(transparent)]
    Engine(EngineError),
    /// A stored maze breaks rules, or what is on the host stands in its way.
    #[error("the maze breaks {}; nothing was changed", text::count(.findings.len(), "rule", "rules"))]
    Maze {
        /// What was found.
        findings: Vec<Finding>,
    },
    /// What a mutation makes of a maze would break rules.
    #[error("the maze would break {}; nothing was changed", text::count(.findings.len(), "rule", "rules"))]
    Mutated {
        /// What was found.
        findings: Vec<Finding>,
    },
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
        source: Box<CatalogError>,
    },
    /// A document breaks rules.
    #[error("{origin} breaks {}", text::count(.findings.len(), "rule", "rules"))]
    Document {
        /// Where it came from.
        origin: String,
        /// What was found.
        findings: Vec<Finding>,
    },
    /// Waiting for a mutation was called off.
    #[error("mutation {mutation} is not finished")]
    StillQueued {
        /// The mutation.
        mutation: MutationId,
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
    /// The bus cannot be served.
    #[error(transparent)]
    Bus(#[from] BindError),
    /// A time is before what is known.
    #[error("`{name}` was stored at {created:.3}, which is later than {at:.3}")]
    TooEarly {
        /// The topology.
        name: String,
        /// The time.
        at: Timestamp,
        /// When it was stored.
        created: Timestamp,
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
    /// A reap was to remove what runs, and nobody confirmed it.
    #[error("not confirmed: {what}")]
    WouldStop {
        /// What would be removed.
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

impl From<EngineError> for CommandError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Invalid(invalid) => Self::Maze {
                findings: invalid.report.errors().cloned().collect(),
            },
            EngineError::Mutation(MutationError::ResultInvalid { report }) => Self::Mutated {
                findings: report.errors().cloned().collect(),
            },
            error => Self::Engine(error),
        }
    }
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

    /// Says it with its causes, in one line.
    pub(crate) fn in_full(&self) -> String {
        let mut text = self.to_string();
        for cause in self.causes() {
            text.push_str(": ");
            text.push_str(&cause);
        }
        text
    }

    /// Returns what it was caused by, the nearest first, without what was said already.
    pub(crate) fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut said = self.to_string();
        let mut cause = self.source();
        while let Some(source) = cause {
            let words = source.to_string();
            if !said.contains(&words) {
                said.clone_from(&words);
                causes.push(words);
            }
            cause = source.source();
        }
        causes
    }

    /// Returns what was found, where a document or a maze broke rules.
    pub(crate) fn findings(&self) -> &[Finding] {
        match self {
            Self::Document { findings, .. } | Self::Maze { findings } | Self::Mutated { findings } => findings,
            _ => &[],
        }
    }

    /// Returns what else should be said, a line each.
    pub(crate) fn details(&self) -> Vec<String> {
        let failures = |failures: &[StepFailure]| -> Vec<String> {
            failures
                .iter()
                .map(|failure| format!("{failure}: {}", failure.source))
                .collect()
        };
        let left = |leftovers: &[String]| leftovers.iter().map(|what| format!("left: {what}")).collect::<Vec<_>>();
        let undone = |undo: &[StepFailure]| -> Vec<String> {
            failures(undo)
                .iter()
                .map(|failure| format!("while undoing: {failure}"))
                .collect()
        };
        match self {
            Self::Config(config) => config.faults.iter().map(ToString::to_string).collect(),
            // Parsers show the place in lines of their own.
            Self::Parse { reason, .. } => reason.lines().map(str::to_owned).collect(),
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
