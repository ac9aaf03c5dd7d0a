//! What the process leaves with, what kind of error that is, and what people are advised to do: decided here and nowhere else.

use std::{io, process::ExitCode};

use decnet_engine::{bus::unix::BindError, engine::EngineError, plan::PlanError, runtime::RuntimeError};
use decnet_topology::{
    Code, MutationError, RepoError, Status,
    alloc::{AllocError, ResolveError},
    generate::GenerateError,
};

use crate::command_error::CommandError;

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

impl CommandError {
    /// Decides what the process leaves with.
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
            | Self::Parse { .. }
            | Self::Name { .. } => Exit::Invalid,
            Self::Ambiguous { .. } | Self::Usage(_) | Self::Unconfirmed { .. } | Self::WouldStop { .. } => Exit::Usage,
            Self::Differs { .. }
            | Self::InUse { .. }
            | Self::LeftOnDocker { .. }
            | Self::Bus(BindError::InUse { .. }) => Exit::Conflict,
            Self::ReapInterrupted | Self::StillQueued { .. } => Exit::Interrupted,
            // Who reads our output may stop reading; that is no failure.
            Self::Stdout { source } if source.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            _ => Exit::Failed,
        }
    }

    /// Names the kind of error, for programs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Engine(error) => error.code(),
            Self::Repo(error) => error.code(),
            Self::Runtime(error) => error.code(),
            Self::Config(error) => error.code(),
            Self::Document { .. } | Self::Maze { .. } => "invalid",
            Self::Mutated { .. } => "RESULT_INVALID",
            Self::Catalog { .. } => "invalid_catalog",
            Self::Parse { .. } => "malformed",
            Self::Name { .. } => "invalid_name",
            Self::Alloc(error) => error.code(),
            Self::Generate(error) => error.code(),
            Self::Resolve(error) => error.code(),
            Self::NoTopology { .. } | Self::Unknown { .. } | Self::TooEarly { .. } => "not_found",
            Self::Bus(error) => error.code(),
            Self::Ambiguous { .. } => "ambiguous",
            Self::Differs { .. } => "differs",
            Self::InUse { .. } => "in_use",
            Self::LeftOnDocker { .. } => "left_on_docker",
            Self::ReapIncomplete(_) => "reap_incomplete",
            Self::ReapInterrupted | Self::StillQueued { .. } => "interrupted",
            Self::Unconfirmed { .. } | Self::WouldStop { .. } => "unconfirmed",
            Self::Usage(_) => "usage",
            Self::Read { .. } | Self::Write { .. } | Self::Stdout { .. } | Self::NoDataFolder => "io",
            Self::NoDecoy | Self::Json { .. } | Self::Signals { .. } | Self::Threads { .. } => "internal",
        }
    }

    /// Advises what to do.
    pub(crate) fn hint(&self) -> Option<&'static str> {
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
            Self::Alloc(AllocError::Special { .. }) => {
                "take a private range: 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16"
            }
            Self::Alloc(AllocError::AddressesExhausted { .. }) => "the LAN is full: make another, or a larger one",
            Self::Document { .. } => "mend the file; `decnet validate FILE` checks it, `decnet schema` describes it",
            Self::Maze { findings } => match findings.first().map(|finding| finding.code) {
                Some(Code::SubnetSpecial) => "move the LANs to private subnets (`decnet next-subnet` names one)",
                Some(Code::HostPortTaken) => "stop what listens there, or publish elsewhere: --publish ssh=2222",
                Some(Code::SubnetHostOverlap | Code::SubnetOverlap) => {
                    "move the LANs to other subnets (`decnet next-subnet` names one), or remove what is in the way"
                }
                _ => "mend the maze and apply it again",
            },
            Self::Catalog { .. } => {
                "mend the file given by --catalog; `decnet services --json` shows what entries look like"
            }
            Self::NoTopology { .. } => "`decnet list --all` names them; --db says which database is looked into",
            Self::Ambiguous { .. } => "give more of the id",
            Self::Bus(BindError::InUse { .. }) => "one is enough; `decnet events` follows it",
            Self::Bus(_) => "give another socket with --bus, in a folder that may be written to",
            Self::Differs { .. } => {
                "`decnet teardown` it and apply again, or give the file another name; what runs is not replaced by a file"
            }
            Self::InUse { .. } => {
                "tear them down first; --force forgets them and leaves what runs to `decnet reap --instance`"
            }
            Self::LeftOnDocker { .. } => "`decnet teardown` removes it",
            Self::ReapIncomplete(_) => "run it again; `decnet doctor` tells what Docker says",
            Self::StillQueued { .. } => {
                "it stays queued; `decnet watch` makes it, `decnet mutations` tells how far it is"
            }
            Self::ReapInterrupted => "`decnet reap` takes it up where it stopped",
            Self::WouldStop { .. } => {
                "if the database is an older copy, put the newest in its place; else `--yes=ID` names the maze that may go"
            }
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
}

fn of_engine(error: &EngineError) -> Exit {
    match error {
        EngineError::Repo(error) => of_repo(error),
        EngineError::Runtime(error) => of_runtime(error),
        EngineError::PublishMapsNothing { .. } => Exit::Usage,
        EngineError::Mutation(error) if error.is_bad_input() => Exit::Usage,
        EngineError::Invalid(_) | EngineError::Mutation(_) => Exit::Invalid,
        EngineError::Busy { .. }
        | EngineError::WrongStatus { .. }
        | EngineError::Plan(_)
        | EngineError::PlanChanged { .. } => Exit::Conflict,
        // Nothing could be undone while nobody answered.
        EngineError::DeployFailed {
            failures, leftovers, ..
        } if !leftovers.is_empty() && failures.iter().any(|failure| failure.source.is_unreachable()) => {
            Exit::Unreachable
        }
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
            "wait until it is done; the lease of a process that died runs out by itself, and `decnet db unlock MAZE` breaks it"
        }
        EngineError::PublishMapsNothing { .. } => {
            "`decnet show` names the gateways and their services; nothing was changed on Docker"
        }
        EngineError::Mutation(MutationError::ForceRequired { .. }) => {
            "--force makes the running container anew, and with --plan shows first what that touches"
        }
        EngineError::Mutation(MutationError::SubnetPoolExhausted { .. }) => {
            "--subnet gives it one of another range; `decnet next-subnet` names a free one"
        }
        EngineError::Mutation(MutationError::AddressPoolExhausted { .. }) => {
            "the LAN is full: make another, or take deckies from it"
        }
        EngineError::Mutation(error) if error.is_bad_input() => {
            "`decnet mutate --help` names the keys; `decnet schema --mutation` describes them all"
        }
        EngineError::WrongStatus {
            status: Status::TearingDown | Status::Degraded,
            ..
        } => "`decnet deploy` finishes the teardown and deploys a fresh copy",
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
        EngineError::AgentMode { .. } => "store it in mode `unihost` to raise it on this daemon",
        EngineError::TeardownIncomplete { .. } => "`decnet teardown` again takes up where this stopped",
        EngineError::TeardownUnrecorded { .. } => {
            "make room, or the database writable, and `decnet teardown` again records it; until then `decnet watch` would raise the maze again"
        }
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
        RepoError::NotEditable { .. } => {
            "a maze can be changed while it is pending, or up: active or degraded, and not on its way down"
        }
        RepoError::NotDeletable { .. } => "`decnet teardown` it first",
        RepoError::LeaseHeld { .. } | RepoError::LeaseLost { .. } => {
            "wait until the other is done; `decnet db unlock MAZE` breaks the lease of one that hangs"
        }
        RepoError::TooNew { .. } => "update decnet, or give another database with --db",
        RepoError::FolderMissing { .. } => "make the folder, or give another database with --db",
        RepoError::IsFolder { .. } | RepoError::NotAStore { .. } => {
            "it was left as it is; give another database with --db or DECNET_DB"
        }
        RepoError::Open { .. } => "check the path and its permissions; --db names another database",
        RepoError::Locked => "wait for the other process, or find it: `fuser` tells who has the file open",
        RepoError::ReadOnly => "make the file and its folder writable, or give another database with --db",
        RepoError::Full => {
            "free some space and try again; nothing was lost, and `list`, `show`, `plan`, `teardown` and `reap` work meanwhile"
        }
        RepoError::Empty { .. } => {
            "if it held mazes, restore the newest backup, then look at `decnet reap --dry-run` before you reap; if not, `decnet db reset --force --yes` removes it"
        }
        RepoError::Corrupt { .. } => {
            "restore the newest backup, then look at `decnet reap --dry-run` before you reap: what was deployed since is unknown to it. Without a backup, `decnet db reset --force --yes`; `decnet doctor` lists what runs without it"
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
        RuntimeError::Uncontained { .. } => {
            "load nf_tables on the machine with the daemon (`modprobe nf_tables`); without it a gateway would let packets out"
        }
        _ => return None,
    })
}
