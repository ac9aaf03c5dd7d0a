//! Exit codes, error codes and hints. Only this file decides them.

use std::{io, process::ExitCode};

use decnet_engine::{BindError, EngineError, PlanError, RuntimeError};
use decnet_topology::{AllocError, Code, FindError, GenerateError, MutationError, RepoError, ResolveError, Status};

use crate::command_error::CommandError;

/// The exit status of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Success.
    Done,
    /// A failure.
    Failed,
    /// The arguments are invalid.
    Usage,
    /// A document, a config or a maze breaks rules.
    Invalid,
    /// A conflict: a version, a lease, a status, a name.
    Conflict,
    /// Docker is unreachable.
    Unreachable,
    /// A failure; all changes were undone.
    RolledBack,
    /// Interrupted; the changes were undone.
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

impl CommandError {
    /// Decides the exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Engine(error) => of_engine(error),
            Self::Repo(error) => of_repo(error),
            Self::Runtime(error) => of_runtime(error),
            Self::Config(_)
            | Self::Alloc(AllocError::Special { .. })
            | Self::Maze { .. }
            | Self::Mutated { .. }
            | Self::Document { .. }
            | Self::Catalog { .. }
            | Self::Parse { .. } => Exit::Invalid,
            Self::Find(FindError::Ambiguous { .. })
            | Self::Usage(_)
            | Self::Unconfirmed { .. }
            | Self::WouldStop { .. } => Exit::Usage,
            Self::Differs { .. } | Self::InUse { .. } | Self::Bus(BindError::InUse { .. }) => Exit::Conflict,
            Self::ReapInterrupted => Exit::Interrupted,
            // It is not a failure if the reader of the output closes it.
            Self::Stdout { source } if source.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            _ => Exit::Failed,
        }
    }

    /// Returns the stable code of the error.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Engine(error) => error.code(),
            Self::Repo(error) => error.code(),
            Self::Runtime(error) => error.code(),
            Self::Find(error) => error.code(),
            Self::Config(error) => error.code(),
            Self::Document { .. } | Self::Maze { .. } => "invalid",
            Self::Mutated { .. } => "RESULT_INVALID",
            Self::Catalog { .. } => "invalid_catalog",
            Self::Parse { .. } => "malformed",
            Self::Alloc(error) => error.code(),
            Self::Unknown { .. } | Self::TooEarly { .. } => "not_found",
            Self::Bus(error) => error.code(),
            Self::Differs { .. } => "differs",
            Self::InUse { .. } => "in_use",
            Self::ReapIncomplete(_) => "reap_incomplete",
            Self::ReapInterrupted => "interrupted",
            Self::Unconfirmed { .. } | Self::WouldStop { .. } => "unconfirmed",
            Self::Usage(_) => "usage",
            Self::Read { .. } | Self::Write { .. } | Self::Stdout { .. } | Self::NoDataFolder => "io",
            Self::Json { .. } | Self::Signals { .. } | Self::Threads { .. } => "internal",
        }
    }

    /// Returns a hint about what to do.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Engine(error) => return engine_hint(error),
            Self::Repo(error) => return repo_hint(error),
            Self::Runtime(error) => return runtime_hint(error),
            Self::Config(_) => "fix the config or the flags; `decnet generate --help` lists the allowed values",
            Self::Alloc(AllocError::SubnetsExhausted { .. }) => {
                "give a larger pool with --subnet-base-prefix, smaller LANs with --lan-prefix, or tear mazes down"
            }
            Self::Alloc(AllocError::Special { .. }) => {
                "take a private range: 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16"
            }
            Self::Alloc(AllocError::AddressesExhausted { .. }) => "the LAN is full: add another, or a larger one",
            Self::Document { .. } => "fix the file; `decnet validate FILE` checks it, `decnet schema` describes it",
            Self::Maze { findings } => match findings.first().map(|finding| finding.code) {
                Some(Code::SubnetSpecial) => "move the LANs to private subnets (`decnet next-subnet` prints one)",
                Some(Code::HostPortTaken) => "stop what listens there, or publish elsewhere: --publish ssh=2222",
                Some(Code::SubnetHostOverlap | Code::SubnetOverlap) => {
                    "move the LANs to other subnets (`decnet next-subnet` prints one), or remove the conflicting network or route"
                }
                _ => "fix the maze and apply it again",
            },
            Self::Catalog { .. } => {
                "fix the file given by --catalog; `decnet services --json` shows what entries look like"
            }
            Self::Find(FindError::NotFound { .. }) => {
                "`decnet list --all` lists all mazes; --db selects another database"
            }
            Self::Find(FindError::Ambiguous { .. }) => "give more of the id",
            Self::Bus(BindError::InUse { .. }) => "one bus is enough; `decnet events` follows it",
            Self::Bus(_) => "give another socket with --bus, in a writable folder",
            Self::Differs { .. } => {
                "`decnet teardown` it and apply again, or give the file another name; a file does not replace a running maze"
            }
            Self::InUse { .. } => {
                "tear them down first; --force removes the database and leaves running mazes to `decnet reap --instance`"
            }
            Self::ReapIncomplete(_) => "run it again; `decnet doctor` shows the state of Docker",
            Self::ReapInterrupted => "`decnet reap` continues where it stopped",
            Self::WouldStop { .. } => {
                "if the database is an older copy, restore the newest; otherwise confirm the maze to remove with `--yes=ID`"
            }
            Self::Unconfirmed { .. } => "--yes confirms it",
            Self::NoDataFolder => "set HOME, or give a database with --db",
            Self::Write { .. } => "check that the folder exists and is writable",
            _ => return None,
        })
    }
}

fn of_engine(error: &EngineError) -> Exit {
    match error {
        EngineError::Repo(error) => of_repo(error),
        EngineError::Runtime(error) => of_runtime(error),
        EngineError::PublishMapsNothing { .. } => Exit::Usage,
        EngineError::Mutation(error) if error.is_bad_input() => Exit::Usage,
        EngineError::InvalidName { .. }
        | EngineError::Config(_)
        | EngineError::Invalid(_)
        | EngineError::Mutation(_) => Exit::Invalid,
        EngineError::Busy { .. }
        | EngineError::WrongStatus { .. }
        | EngineError::Differs { .. }
        | EngineError::LeftOnRuntime { .. }
        | EngineError::Plan(_)
        | EngineError::PlanChanged { .. } => Exit::Conflict,
        // Nothing could be undone while Docker did not answer.
        EngineError::DeployFailed {
            failures, leftovers, ..
        } if !leftovers.is_empty() && failures.iter().any(|failure| failure.source.is_unreachable()) => {
            Exit::Unreachable
        }
        EngineError::DeployFailed { .. } => Exit::RolledBack,
        EngineError::Interrupted { .. } => Exit::Interrupted,
        EngineError::MutationQueued { source, .. } => of_engine(source),
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
        | RepoError::LeaseLost { .. }
        | RepoError::ClaimLost { .. }
        | RepoError::MutationStored { .. }
        | RepoError::MutationNotStored { .. } => Exit::Conflict,
        RepoError::MutationUnreadable { .. } => Exit::Invalid,
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

fn engine_hint(error: &EngineError) -> Option<&'static str> {
    Some(match error {
        EngineError::Repo(error) => return repo_hint(error),
        EngineError::Runtime(error) => return runtime_hint(error),
        EngineError::Busy { .. } => {
            "wait until it is done; the lease of a dead process expires, and `decnet db unlock MAZE` breaks it"
        }
        EngineError::PublishMapsNothing { .. } => "`decnet show` lists the gateways and their services",
        EngineError::Mutation(MutationError::ForceRequired { .. }) => {
            "--force allows the running container to be recreated, and --plan shows the steps first"
        }
        EngineError::Mutation(MutationError::SubnetPoolExhausted { .. }) => {
            "give one of another range with --subnet; `decnet next-subnet` prints a free one"
        }
        EngineError::Mutation(MutationError::AddressPoolExhausted { .. }) => {
            "the LAN is full: add another, or remove deckies from it"
        }
        EngineError::Mutation(error) if error.is_bad_input() => {
            "`decnet mutate --help` lists the keys; `decnet schema --mutation` describes them all"
        }
        EngineError::WrongStatus {
            status: Status::TearingDown | Status::Degraded,
            ..
        } => "`decnet deploy` finishes the teardown and deploys a fresh copy",
        EngineError::WrongStatus {
            status: Status::Pending,
            ..
        } => "`decnet deploy` deploys it",
        EngineError::WrongStatus { .. } => "`decnet show` shows its status",
        EngineError::Plan(PlanError::Destructive { .. }) => "`decnet plan` shows the steps; --force allows them",
        EngineError::DeployFailed {
            leftovers, failures, ..
        } => {
            if !leftovers.is_empty() {
                return Some("`decnet teardown` removes what is left");
            }
            return match failures.first() {
                Some(failure) => runtime_hint(&failure.source).or(Some("fix the cause and deploy again")),
                None => Some("another process took over; `decnet show` shows its status"),
            };
        }
        EngineError::Interrupted { leftovers, .. } if !leftovers.is_empty() => "`decnet teardown` removes what is left",
        EngineError::Interrupted { .. } => "nothing of this run is left; run the command again",
        EngineError::Generate(GenerateError::Subnets { .. }) => {
            "give a larger pool with --subnet-base-prefix, smaller LANs with --lan-prefix, or tear mazes down"
        }
        EngineError::Generate(GenerateError::Addresses { .. }) => {
            "give larger LANs with --lan-prefix, or fewer deckies"
        }
        EngineError::Resolve(ResolveError::Subnets { .. }) => "write subnets into the file, or tear mazes down",
        EngineError::Resolve(ResolveError::Addresses { .. }) => {
            "give the LAN a larger subnet, or remove deckies from it"
        }
        EngineError::LeftOnRuntime { .. } => "`decnet teardown` removes it",
        EngineError::MutationQueued { .. } => {
            "it stays queued; `decnet watch` applies it, `decnet mutations` shows its state"
        }
        EngineError::NoDecoy => "give one with --decoy FILE",
        EngineError::AgentMode { .. } => "store it in mode `unihost` to deploy it on this daemon",
        EngineError::TeardownIncomplete { .. } => "run `decnet teardown` again to continue",
        EngineError::TeardownUnrecorded { .. } => {
            "free some space or make the database writable, then run `decnet teardown` again to record it; until then `decnet watch` would deploy the maze again"
        }
        _ => return None,
    })
}

fn repo_hint(error: &RepoError) -> Option<&'static str> {
    Some(match error {
        RepoError::NameTaken { .. } => "give another name, or tear the other down first",
        RepoError::SubnetClaimed { .. } => {
            "choose another subnet (`decnet next-subnet` prints one), or tear the other down first"
        }
        RepoError::VersionConflict { .. } | RepoError::StatusConflict { .. } => {
            "another process changed it first; check it and try again"
        }
        RepoError::NotEditable { .. } => {
            "a maze can be changed while it is pending, active or degraded, and not being torn down"
        }
        RepoError::NotDeletable { .. } => "`decnet teardown` it first",
        RepoError::LeaseHeld { .. } | RepoError::LeaseLost { .. } => {
            "wait until the other is done; `decnet db unlock MAZE` breaks the lease of one that hangs"
        }
        RepoError::TooNew { .. } => "update decnet, or give another database with --db",
        RepoError::FolderMissing { .. } => "create the folder, or give another database with --db",
        RepoError::IsFolder { .. } | RepoError::NotAStore { .. } => {
            "the file was not changed; give another database with --db or DECNET_DB"
        }
        RepoError::Open { .. } => "check the path and its permissions; --db selects another database",
        RepoError::Locked => {
            "wait for the other process, or find it: `fuser` lists the processes that have the file open"
        }
        RepoError::ReadOnly => "make the file and its folder writable, or give another database with --db",
        RepoError::Full => {
            "free some space and try again; nothing was lost, and `list`, `show`, `plan`, `teardown` and `reap` still work"
        }
        RepoError::Empty { .. } => {
            "if it held mazes, restore the newest backup, then check `decnet reap --dry-run` before you reap; if not, `decnet db reset --force --yes` removes it"
        }
        RepoError::Corrupt { .. } => {
            "restore the newest backup, then check `decnet reap --dry-run` before you reap: it does not know later deploys. Without a backup, `decnet db reset --force --yes`; `decnet doctor` lists what runs without it"
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
        RuntimeError::TimedOut { answers: false, .. } => {
            "the daemon does not answer a ping: check it with `docker version`, and restart it; --timeout waits longer, up to 10 s"
        }
        RuntimeError::TimedOut { .. } => "the daemon is overloaded or stuck; --timeout waits longer",
        RuntimeError::Foreign { .. } => {
            "rename the maze or remove the other by hand; decnet never touches resources of others"
        }
        RuntimeError::SubnetTaken { .. } => {
            "`decnet doctor` lists networks; choose another subnet (`decnet next-subnet`)"
        }
        RuntimeError::PortTaken { .. } => "stop what listens there, or publish elsewhere: --publish ssh=2222",
        RuntimeError::ImageUnavailable { .. } => {
            "check the name in the catalogue, and that the registry can be reached"
        }
        RuntimeError::Uncontained { .. } => {
            "load nf_tables on the machine with the daemon (`modprobe nf_tables`); without it a gateway would let packets out"
        }
        _ => return None,
    })
}
