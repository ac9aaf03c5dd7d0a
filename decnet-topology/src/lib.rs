//! Generates, validates and stores mazes of decoy hosts: the pure core of DECNET.
//!
//! A *maze*, in the API a [`Topology`], is a set of LANs and *deckies*. A decky is a decoy host that is attached to at least one
//! LAN. One LAN is the DMZ, which outsiders may reach; all others are behind it. A decky on two LANs is a bridge. If it forwards
//! packets, it is a router, and an intruder's packets pass through it; if not, the intruder must break into it. A router with its
//! home in the DMZ is a gateway: the host publishes the ports of its services.
//!
//! This crate does not know Docker, the clock, the environment or the network: callers pass in what it needs. `decnet-engine`
//! deploys the mazes.
//!
//! # A maze built in code
//!
//! ```
//! use decnet_topology::{Graph, Topology};
//!
//! let maze = Topology::builder()
//!     .dmz("dmz", "172.20.0.0/24")
//!     .lan("office", "172.20.1.0/24")
//!     .lan("vault", "172.20.2.0/24")
//!     .decky("web", |decky| decky.on("dmz", "172.20.0.10").on("office", "172.20.1.10").services(["http"]).forwards())
//!     .decky("desk", |decky| decky.on("office", "172.20.1.11").on("vault", "172.20.2.11").services(["rdp"]))
//!     .decky("safe", |decky| decky.on("vault", "172.20.2.12").services(["smb"]))
//!     .build()?;
//!
//! let [web, desk, safe] = maze.deckies() else { unreachable!() };
//! assert!(maze.is_gateway(web) && web.is_bridge());
//!
//! // `desk` is in both LANs and forwards nothing: an intruder must take it over to reach the safe.
//! let graph = Graph::new(&maze);
//! assert!(graph.reaches(web.id(), desk.id()));
//! assert!(!graph.reaches(web.id(), safe.id()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A generated maze
//!
//! A [`TopologyConfig`] sets the size; [`generate`] draws the maze. The same config gives the same bytes on
//! every platform and in every later version, and the seed is always recorded.
//!
//! ```
//! use decnet_topology::{Catalog, TopologyConfig, canonical_hash, generate};
//!
//! let catalog = Catalog::builtin();
//! let config = TopologyConfig::builder("corp", 3, 2).deckies_per_lan(1, 3).seed(7).build()?;
//! let taken = ["172.16.0.0/16".parse()?];
//! let maze = generate(&config, &catalog, &taken)?;
//! assert_eq!(canonical_hash(&maze), canonical_hash(&generate(&config, &catalog, &taken)?));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A maze from a file
//!
//! A file written by a person may have gaps and faults. [`document::parse`] returns a [`Draft`] with everything that could be
//! read, and [`Finding`]s with stable codes for the rest. [`Draft::resolve`] allocates missing subnets and
//! addresses, and returns a [`Topology`] that is complete and well-formed. The rules check whether it makes sense.
//!
//! ```
//! use decnet_topology::{Catalog, Code, RuleSet, SubnetPool, Syntax, document};
//!
//! let text = "
//! format: decnet.topology/1
//! name: corp
//! lans: [{name: dmz, dmz: true}, {name: office}, {name: attic}]
//! deckies:
//!   - {name: web, services: [http, https], attachments: [{lan: dmz}, {lan: office}]}
//! ";
//! let maze = document::parse(text, Syntax::Auto)?.resolve(&Catalog::builtin(), &SubnetPool::default())?;
//!
//! // A maze that can be deployed has passed every rule, and has its own type.
//! let refused = maze.validate(&Catalog::builtin(), RuleSet::deploy()).unwrap_err();
//! let codes: Vec<Code> = refused.report.errors().map(|error| error.code).collect();
//! assert_eq!(codes, [Code::DmzOrphan], "no decky connects the attic");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Changing a maze
//!
//! A [`Mutation`] is one change, as data: on the wire `{"op": …, "payload": {…}}`, in Rust a payload with its own type.
//! [`apply`] returns the changed maze if it passes the live rules, or an error. The original maze is not modified.
//! While a maze runs, published ports change only with `force`.
//!
//! ```
//! use decnet_topology::{AddLan, AttachDecky, Catalog, Mutation, MutationContext, Stage, Topology, apply, history};
//!
//! let maze = Topology::builder()
//!     .dmz("dmz", "172.16.0.0/24")
//!     .decky("web", |decky| decky.on("dmz", "172.16.0.10").services(["http"]))
//!     .build()?;
//! let catalog = Catalog::builtin();
//! let live = MutationContext::new(&catalog, Stage::Live);
//!
//! // Missing values are allocated.
//! let wider = apply(&maze, &AddLan::new("office".parse()?).into(), &live)?;
//! assert_eq!(wider.lans()[1].subnet().to_string(), "172.16.1.0/24");
//!
//! // With its home in the DMZ, a router is a gateway: its base must be recreated to publish its ports.
//! let route = AttachDecky::new("web".parse()?, "office".parse()?).forwarding();
//! let refused = apply(&wider, &route.clone().into(), &live).unwrap_err();
//! assert_eq!(refused.code(), "FORCE_REQUIRED");
//! let routed = apply(&wider, &route.force().into(), &live)?;
//!
//! let json = r#"{"op": "update_decky", "payload": {"decky": "web", "services": ["http", "ssh"], "force": true}}"#;
//! let busier = apply(&routed, &Mutation::from_json(json)?, &live)?;
//!
//! // What was `web` before that?
//! let changes = history::changes(&routed, &busier);
//! assert_eq!(history::at(&busier, &changes)[&"web".parse()?].services.len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Storing mazes
//!
//! A [`Repo`] keeps topologies with their status, their history, and the subnets that they claim. [`MemoryRepo`] lives as long as
//! the process; `SqliteRepo` (feature `sqlite`) is a file that several processes share; `PostgresRepo` (feature `postgres`) is a
//! database that several hosts share. Your own store is correct if it passes the suite in `testing::contract` (feature `testing`).
//!
//! ```
//! use decnet_topology::{MemoryRepo, NewTopology, RepoError, Status, Timestamp, Topology, TopologyStore};
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let repo = MemoryRepo::new();
//! let topology = Topology::builder().dmz("dmz", "172.20.0.0/24").build()?;
//! let stored = repo.create(NewTopology::new("corp".parse()?, topology.clone()), Timestamp::now()).await?;
//! assert_eq!(stored.row.status, Status::Pending);
//!
//! // A stored maze claims its subnets.
//! let second = repo.create(NewTopology::new("branch".parse()?, topology), Timestamp::now()).await;
//! assert!(matches!(second, Err(RepoError::SubnetClaimed { .. })));
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A maze on several hosts
//!
//! [`place`](fn@place) decides which member of a fleet has which LANs and deckies. The unit is a LAN with the deckies at home in it.
//! As few edges of the tree of LANs as possible connect different members, nothing that was placed moves without `force`, and the LAN of
//! a gateway is on a member labelled `public`. A [`Placement`] serializes, and is not in the canonical hash.
//!
//! # Types of other crates
//!
//! Signatures use types of jiff, ipnet, uuid and `serde_json`. The ones that a program names are exported here: [`Timestamp`],
//! [`SignedDuration`], [`Ipv4Net`], [`Uuid`] (with [`GenericUuid`] to convert ids) and [`serde_json`]; [`mod@async_trait`] is for
//! custom stores and runtimes. So a program needs no matching versions in its `Cargo.toml`.
//!
//! # Features
//!
//! - `postgres`: the store in a PostgreSQL database; adds tokio, tokio-postgres and rustls.
//! - `sqlite`: the store in a file; adds tokio.
//! - `testing`: the contract of stores, and strategies for proptest.

mod alloc;
mod catalog;
mod config;
mod decode;
pub mod document;
mod finding;
mod generate;
mod graph;
mod hash;
pub mod history;
mod id;
mod import;
mod model;
mod mutation;
mod name;
pub mod net;
mod place;
mod placement;
mod publish;
mod repo;
pub mod rng;
mod secret;
pub mod shown;
mod shuffle;
mod shuffling;
mod spelling;
mod status;
#[cfg(feature = "testing")]
pub mod testing;
mod text_form;
mod validate;
mod version;

pub use alloc::{AllocError, IpAllocator, ResolveError, SubnetAllocator, SubnetPool};
pub use async_trait::async_trait;
pub use catalog::{
    Archetype, Catalog, CatalogEntries, CatalogError, CatalogExcerpt, FieldFault, FieldType, ImageSource, PacketStyle,
    Port, PortError, Protocol, SeccompMode, Service, ServiceField, ServiceLimits, ServiceNotFound, ServicePort,
    ServiceVolume, Tmpfs, TmpfsError, VolumeError, is_root,
};
pub use config::{
    ConfigBuilder, ConfigFault, ConfigSyntax, ConfigTextError, DEFAULT_LAN_PREFIX, DEFAULT_SUBNET_BASE_PREFIX,
    InvalidConfig, Naming, ServiceChoice, TopologyConfig,
};
pub use document::{error::DocumentError, syntax::Syntax};
pub use finding::{Code, Finding, LineColumn, MAX_LISTED, Severity, Target};
pub use generate::{GenerateError, generate};
pub use graph::{
    Analysis, AnalysisReport, ChokePointNames, ChokePoints, Crossing, DeckyAnalysis, DrawnState, Graph, GraphNode,
    GraphShape, LanAnalysis, LanBox, LanLink, Layout, Loss, LossCounts, Route, TreeRow,
};
pub use hash::{Digest, DigestError, canonical_hash};
pub use history::change::{DeckyChange, DeckySnapshot, Membership};
pub use id::{
    AgentRunId, AgentRunKind, ClaimKind, ClaimToken, DeckyId, EnrolmentId, EnrolmentKind, EventId, EventKind, HostId,
    HostKind, InstanceId, InstanceKind, LanId, LeaseKind, LeaseToken, MutationId, Sequence, TopologyId, TopologyKind,
    short_id,
};
pub use import::{ImportFormat, ImportNote, Imported, import};
pub use ipnet::Ipv4Net;
pub use jiff::{SignedDuration, Timestamp};
pub use model::{
    Attachment, BuildError, Coordinate, Decky, DeckyBuilder, DeckyPart, DeploySettings, DmzEgress, Draft,
    DraftAttachment, DraftDecky, DraftLan, Header, Lan, LogDriver, LogOption, LogSettingError, LogSettings,
    NetworkPlace, NotFinite, Persona, PlacementNames, Position, ServiceConfig, ServiceFields, StoredTopology, Topology,
    TopologyBuilder, TopologyError, TopologyRow, UnknownEgress, UnknownPart,
};
pub use mutation::{
    AddDecky, AddLan, AttachDecky, DeckyPatch, DetachDecky, DoubledField, LanPatch, Mutation, MutationBatch,
    MutationContext, MutationError, RemoveDecky, RemoveLan, Stage, UpdateDecky, UpdateLan, apply, changes_packets,
    changes_published, difference,
};
pub use name::{Name, NameError, ServiceName, TopologyName};
pub use net::{error::SubnetError, special::SpecialRange};
pub use newtype_uuid::GenericUuid;
pub use place::{Member, NotPlaced, PlaceFault, PlaceRequest, place};
pub use placement::{Distribution, LabelPin, Placement, PlacementRules, StretchedLan, Vni};
pub use publish::{HostPort, Publish, PublishError, PublishRule};
pub use repo::{
    BatchEdit, ChangeFilter, ChangeKind, ChangeLog, ChangePage, Edit, Enrolment, FindError, Holder, HostChange,
    HostProfile, HostProfileError, HostRow, HostStore, KEPT_CHANGES, Lease, LeaseStore, MemoryRepo, MutationClaim,
    MutationFilter, MutationOutcome, MutationPage, MutationQueue, MutationRow, NewMutation, NewTopology,
    RecordedChange, Repo, RepoError, Stamp, StatusChange, StoreChange, SubnetClaim, TopologyFilter, TopologyPage,
    TopologyStore, Visit, VisitFilter, VisitStore, claims_except, find_live_topology, last_mutations, name_of,
};
#[cfg(feature = "postgres")]
pub use repo::{LeaseClock, PostgresOptions, PostgresReceiver, PostgresRepo, PostgresSender};
#[cfg(feature = "sqlite")]
pub use repo::{SqliteOptions, SqliteRepo};
pub use rng::stream::RandomStream;
pub use secret::{InstallationSecret, InvalidSecret};
pub use serde_json;
pub use shuffle::{Shuffle, ShuffleError, ShuffleKey, ShuffleSource, Shuffles};
pub use shuffling::{NotShuffled, check_shuffles, shuffle_rule, shuffled_services};
pub use spelling::{hint as did_you_mean, nearest};
pub use status::{Intent, Mode, MutationState, MutationTrigger, Status, StatusEvent, UnknownWord};
pub use uuid::Uuid;
pub use validate::{
    DaemonNetwork, HostFacts, HostRoute, InvalidTopology, Listener, NeighbourTable, PublishedPort, Report, RuleSet,
    Surroundings, TopologyView, UnavailableImage, ValidTopology, published_ports, validate, validate_against,
    validate_in,
};
pub use version::Version;
