//! Draws, checks and stores mazes of decoy hosts: the pure core of DECNET.

pub mod alloc;
pub mod catalog;
pub mod config;
pub mod document;
pub mod finding;
pub mod generate;
pub mod graph;
pub mod hash;
pub mod id;
pub mod model;
pub mod name;
pub mod net;
pub mod publish;
pub mod repo;
pub mod rng;
mod spelling;
pub mod status;
#[cfg(feature = "testing")]
pub mod testing;
pub mod validate;
pub mod version;

pub use catalog::Catalog;
pub use config::TopologyConfig;
pub use finding::{Code, Finding, Severity, Target};
pub use id::{DeckyId, InstanceId, LanId, LeaseToken, TopologyId};
pub use model::{Attachment, Decky, DeploySettings, Draft, Lan, StoredTopology, Topology, TopologyRow};
pub use name::{Name, NameError, ServiceName, TopologyName};
pub use repo::{Repo, RepoError};
pub use status::{Intent, Mode, Status};
pub use validate::{Report, RuleSet, ValidTopology};
pub use version::Version;
