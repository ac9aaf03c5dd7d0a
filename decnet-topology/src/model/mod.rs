//! The maze itself: an unchecked [`Draft`], a well-formed [`Topology`], and the stored row.

mod builder;
mod decky;
mod draft;
mod draft_form;
mod lan;
mod log;
mod part;
mod persona;
mod placed;
mod position;
mod service_config;
mod stored;
mod topology;
mod well_formed;
mod workload;

pub use builder::{BuildError, DeckyBuilder, TopologyBuilder};
pub use decky::{Attachment, Decky};
pub use draft::{Draft, DraftAttachment, DraftDecky, DraftLan, Header};
pub use lan::Lan;
pub use log::{LogDriver, LogOption, LogSettingError, LogSettings};
pub use part::{DeckyPart, NetworkPlace, UnknownPart};
pub use persona::Persona;
pub use placed::PlacementNames;
pub use position::{Coordinate, NotFinite, Position};
pub use service_config::{ServiceConfig, ServiceFields};
pub use stored::{DeploySettings, DmzEgress, StoredTopology, TopologyRow, UnknownEgress};
pub use topology::Topology;
pub use well_formed::TopologyError;
pub(crate) use workload::{Workloads, print_alike};
