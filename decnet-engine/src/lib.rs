//! Deploys mazes of decoy hosts on Docker, reconciles them, and removes them completely.
//!
//! **There is one way to change Docker: prepare a plan and execute it.** The desired state ([`Desired`]) is computed from a valid
//! topology, and the actual state is observed ([`Observed`]). [`Engine::prepare`] compares the two and returns a [`Plan`]: a DAG
//! of steps. [`execute`] runs the plan with bounded concurrency. On failure it undoes what this run did, and nothing else. A
//! deploy starts from nothing, a teardown ends with nothing, and healing starts from a damaged maze; all are plans. So any
//! command converges from any state, and a dry run prints the plan that would run.
//!
//! # Deploying a maze
//!
//! An [`Engine`] combines a store and a [`Runtime`]. This example uses the in-memory simulation of Docker; `Docker` (feature
//! `docker`, on by default) is the real one.
//!
//! ```
//! use std::sync::Arc;
//!
//! use decnet_engine::{CancellationToken, DeployOptions, Engine, EngineOptions, Operation, simulated::Simulated};
//! use decnet_topology::{Catalog, MemoryRepo, NewTopology, Status, Timestamp, Topology, TopologyStore};
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let repo = Arc::new(MemoryRepo::new());
//! let topology = Topology::builder()
//!     .dmz("dmz", "172.20.0.0/24")
//!     .decky("web", |decky| decky.on("dmz", "172.20.0.10").services(["http"]))
//!     .build()?;
//! let new = NewTopology::new("corp".parse()?, topology);
//! let id = repo.create(new, Timestamp::now()).await?.row.id;
//!
//! let engine = Engine::new(repo, Arc::new(Simulated::new()), EngineOptions::new(Catalog::builtin()));
//! let never = CancellationToken::new();
//!
//! // Prepare shows the steps and changes nothing.
//! let prepared = engine.prepare(id, Operation::Deploy(DeployOptions::default())).await?;
//! let steps: Vec<String> = prepared.plan().steps().iter().map(|step| step.action.to_string()).collect();
//! assert!(steps.iter().any(|step| step.starts_with("create network") && step.ends_with("172.20.0.0/24")));
//!
//! // The plan that was shown is the one that runs; `Engine::deploy` does both in one call.
//! let outcome = prepared.execute(&never).await?;
//! assert_eq!((outcome.row.status, outcome.changed), (Status::Active, steps.len()));
//! assert!(engine.prepare(id, Operation::Reconcile { force: false }).await?.plan().is_empty(), "nothing to do");
//!
//! assert_eq!(engine.teardown(id, &never).await?.row.status, Status::TornDown);
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Without a store, without a daemon
//!
//! The desired state is data and computed without I/O. Only [`prepare`](Engine::prepare) makes plans.
//!
//! ```
//! use decnet_engine::{ApiVersion, Desired, DesiredContext, compose};
//! use decnet_topology::{Catalog, DeploySettings, RuleSet, Topology, rng};
//!
//! let catalog = Catalog::builtin();
//! let valid = Topology::builder()
//!     .dmz("dmz", "172.20.0.0/24")
//!     .decky("web", |decky| decky.on("dmz", "172.20.0.10").services(["http"]))
//!     .build()?
//!     .validate(&catalog, RuleSet::deploy())?;
//! let desired = Desired::new(&valid, &DesiredContext {
//!     instance: rng::instance_id(),
//!     secret: &rng::installation_secret(),
//!     topology: rng::topology_id(),
//!     catalog: &catalog,
//!     decoy: "decnet-decoy:1",
//!     api: ApiVersion::v1(48),
//!     settings: &DeploySettings::default(),
//!     host_addresses: &[],
//!     fleet: None,
//! })?;
//! assert_eq!((desired.networks.len(), desired.bases.len(), desired.services.len()), (1, 1, 1));
//! assert!(compose::print(&desired).contains("network_mode: none"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Ownership
//!
//! Every resource carries the label [`naming::INSTANCE`] with the id of the store. Resources without this label are never
//! touched, whatever their names and subnets. If one is in the way, the error names it. So other networks, and those of a
//! second store on the same daemon, are safe.
//!
//! # Interrupted operations
//!
//! An operation holds the lease of the topology. If the process is killed or the future is dropped, the status and the labels
//! record how far the operation came, and the next `deploy` or `teardown` continues from there. To stop an operation cleanly,
//! cancel the token that it takes: it then undoes its own changes.
//!
//! # Features
//!
//! - `docker` (default): the runtime that talks to a Docker daemon, 20.10 or later.
//! - `http`: the HTTP API, as a router of axum ([`http`]).
//! - `agent`: agents on other hosts: certificates, enrolment, the agent's server, and the runtime that speaks to it.
//! - `testing`: the suite that any runtime must pass.

#[cfg(feature = "agent")]
pub mod agent;
mod api;
mod bus;
mod causes;
mod claim;
pub mod compose;
mod decoy;
mod desired;
pub mod doctor;
mod engine;
mod event;
mod execute;
mod feed;
mod fence;
#[cfg(feature = "agent")]
pub mod fleet;
pub mod host;
#[cfg(feature = "http")]
pub mod http;
mod lease;
mod logs;
mod movement;
pub mod naming;
mod observe;
#[cfg(feature = "agent")]
mod peer;
#[cfg(feature = "agent")]
mod pki;
mod plan;
mod pushed;
mod runtime;
mod syslog;
#[cfg(feature = "testing")]
pub mod testing;
mod watch;

#[cfg(feature = "agent")]
pub use agent::{
    error::{AgentError, HostRemains},
    folder::{AgentFolder, AgentPlace},
    join::JoinError,
    options::{AgentLogs, AgentMaster, AgentOptions},
};
pub use api::ApiVersion;
#[cfg(feature = "nats")]
pub use bus::nats::{NatsBus, NatsUrl, NatsUrlError};
#[cfg(feature = "postgres")]
pub use bus::postgres::PostgresBus;
pub use bus::{
    Bus, Connectivity, Outlet, Pattern, PatternError, Received, Subscription,
    local::LocalBus,
    unix::{BindError, Connection, ConnectionError, Server, UnixBus},
};
pub use decoy::DecoyImage;
pub use desired::{
    BaseSpec, Desired, DesiredContext, DesiredError, DesiredFleet, DesiredMember, ImageSpec, InterfaceSpec, Limits,
    LinkSpec, LogSpec, NetworkReach, NetworkSpec, PortMapping, RunAs, Seccomp, ServiceNetwork, ServiceSpec, Sysctls,
    VolumeSpec, seccomp_profile,
};
pub use doctor::check::{Check, Verdict};
pub use engine::{
    AccessError, ApplyOptions, BrokenLease, CaptureOptions, CapturePoint, CaptureReport, CollectOptions, Collected,
    CommandEnd, CopyOptions, CopyReport, CreateOptions, DeckyAnswer, DeckyState, DeckyVerb, DeployOptions, DueShuffles,
    Engine, EngineError, EngineOptions, EnqueuedMutation, Entered, ExecChoices, ExecOptions, HolderState, InsideOnly,
    Inspection, InterfaceState, LanAddress, LostHost, MissingUnderlay, Observation, Operation, Outcome, PacketFilter,
    PacketProtocol, PathEnd, Prepared, PreparedReap, Reach, ReachDeviation, ReapOptions, ReapReport, Reaped,
    Replacement, RestartOptions, RunningCapture, ServiceState, SettingsChange, SkippedPath, StoreOutcome, StoreResult,
    Submitted, VerbTarget, VerifyReport, break_lease, describe_difference, holder_state, next_shuffle, own_images,
    submit,
};
pub use event::{
    AttackerAction, AttackerEvent, DeckyEvent, Envelope, EnvelopeError, Event, Health, HistoryEntry, MutationStage,
    PastTimeError, Place, Progress, StepState, Trigger, deleted_logs_text, read_past_time,
    sink::{LogRotation, LogSink},
    syslog::SyslogWriter,
    timeline::{DeckyMoment, DeckyTimeline, Timeline},
};
pub use execute::{ExecuteOptions, ExecutionReport, OnFailure, StepFailure, execute};
pub use feed::{Feed, FeedItem, FeedNotice, TopologyNow};
pub use fence::Fence;
#[cfg(feature = "agent")]
pub use fleet::{
    error::FleetError,
    inviting::{Invitation, InviteOptions},
    master::{FleetMaster, FleetOptions},
    mazes::HostMazes,
    rotation::AuthorityRotation,
    state::HostState,
    store_fleet::StoreFleet,
    summary::{HostSummary, find_host},
    token::JoinToken,
    topologies::RemoteTopologies,
};
pub use host::{
    cause::{Bridge, Cause},
    machine::{AddressInterface, MachineFacts},
};
#[cfg(feature = "http")]
pub use http::{
    auth::{
        Authenticator,
        error::AuthError,
        open::OpenAccess,
        scope::{AccessScope, Principal},
        tokens::{AccessToken, TokenFile, error::TokenError},
    },
    options::HttpOptions,
};
pub use logs::{
    Forwarded, LogContent, LogCursor, LogCursorError, LogEntry, LogFormat, LogItem, LogOptions, LogOutput, LogTarget,
    LogTargetError, LogWriter, LogWriterOptions, Logs, Muted, MutedError, StoredLogs, WebhookHeader,
};
pub use movement::{
    AttackPaths, AttackTracker,
    path::{AttackMove, AttackPath, AttackSession, MutationDuring, PathEvent},
};
pub use naming::maze::MazeNames;
pub use naming::name::{ContainerName, Labels, LinkName, NetworkName, Role, VolumeName};
pub use observe::{
    Activity, Observed, ObservedContainer, ObservedImage, ObservedLink, ObservedNetwork, ObservedVolume, Scope,
    instance_of, topology_of,
};
#[cfg(feature = "agent")]
pub use peer::{PeerError, check_address};
#[cfg(feature = "agent")]
pub use pki::{
    Authority, CertificateInfo, CertificateRole, CertificateSubject, Credentials, Fingerprint, Identity, KeyRequest,
    PkiError, Revoked, Trust,
};
pub use plan::{Action, Lane, Plan, PlanError, Reason, Step, StepId};
pub use pushed::{
    push::{AgentState, AppliedTopology, PushedStore, TopologyPush},
    report::{HostHealth, HostReport},
};
#[cfg(feature = "docker")]
pub use runtime::docker::{Docker, DockerHost, DockerOptions, LazyDocker};
#[cfg(feature = "agent")]
pub use runtime::remote::{RemoteOptions, RemoteRuntime};
pub use runtime::{
    ArchivePieces, Capture, CapturePlace, CaptureRequest, CapturedPacket, CommandControl, CommandOutput,
    CommandOutputs, CommandRequest, CopyRequest, Effect, Fleet, ForeignNetwork, LogLine, LogLines, LogRequest,
    LogStream, MemberInfo, NetworkCheck, Resource, RunningCommand, Runtime, RuntimeError, RuntimeInfo, TerminalSize,
    TopologyHost, simulated,
};
pub use tokio_util::sync::CancellationToken;
pub use watch::{WatchOptions, watch};
