//! One change to a maze, as data, and the pure function that makes it.

mod apply;
mod batch;
mod check;
mod context;
mod difference;
mod error;
mod payload;
mod published;
mod read;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    catalog::{Catalog, CatalogExcerpt},
    name::Name,
};

pub use apply::apply;
pub use batch::MutationBatch;
pub use context::{MutationContext, Stage};
pub use difference::difference;
pub use error::MutationError;
pub use payload::{
    AddDecky, AddLan, AttachDecky, DeckyPatch, DetachDecky, DoubledField, LanPatch, RemoveDecky, RemoveLan,
    UpdateDecky, UpdateLan,
};
pub use published::{changes_packets, changes_published};

/// One change to a maze: on the wire `{"op": …, "payload": {…}}`.
///
/// A [`Mutation`] is read from JSON, or created from its payload. [`apply`] returns the changed maze, which has passed the live
/// rules, or an error; the given maze is unchanged.
///
/// ```
/// use decnet_topology::{AddDecky, Catalog, Mutation, MutationContext, Stage, Topology, apply};
///
/// let maze = Topology::builder().dmz("dmz", "172.20.0.0/24").build()?;
/// let catalog = Catalog::builtin();
/// let context = MutationContext::new(&catalog, Stage::Live);
///
/// let mutation: Mutation = AddDecky::new("web".parse()?, "dmz".parse()?).services(["http"]).into();
/// let written = r#"{"op": "add_decky", "payload": {"name": "web", "lan": "dmz", "services": ["http"]}}"#;
/// assert_eq!(Mutation::from_json(written)?, mutation);
///
/// let maze = apply(&maze, &mutation, &context)?;
/// assert_eq!(maze.deckies()[0].attachments()[0].ip.to_string(), "172.20.0.2");
/// assert_eq!(apply(&maze, &mutation, &context).unwrap_err().code(), "DECKY_NAME_DUP");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Payloads
///
/// | op | payload |
/// |---|---|
/// | `add_lan` | `name`, `subnet`?, `is_dmz` = false, `x`?, `y`? |
/// | `remove_lan` | `name` |
/// | `add_decky` | `name`, `lan`, `services`?, `service_config`?, `archetype`?, `forwards_l3` = false, `ip`?, `x`?, `y`? |
/// | `attach_decky` | `decky`, `lan`, `ip`?, `forwards_l3` = false, `force` = false |
/// | `detach_decky` | `decky`, `lan` |
/// | `remove_decky` | `decky` |
/// | `update_decky` | `decky`, `patch` {`service_config`?, `archetype`?, `forwards_l3`?}, `services`?, `x`?, `y`?, `force` = false |
/// | `update_lan` | `name`, `patch` {`name`?, `subnet`?, `is_dmz`?}, `x`?, `y`? |
///
/// `null` for `ip` or `subnet` allocates one, and `null` for `archetype` in a patch and for `x` and `y` of an update clears it. It is refused elsewhere. Types are
/// strict: `"false"` is not a boolean.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "op", content = "payload", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Mutation {
    /// Adds a LAN.
    AddLan(AddLan),
    /// Removes a LAN that is not the home of a decky, and the attachments to it.
    RemoveLan(RemoveLan),
    /// Adds a decky with its home.
    AddDecky(AddDecky),
    /// Attaches a decky to one more LAN.
    AttachDecky(AttachDecky),
    /// Removes a membership that is not the home.
    DetachDecky(DetachDecky),
    /// Removes a decky.
    RemoveDecky(RemoveDecky),
    /// Changes the workload or the role of a decky.
    UpdateDecky(UpdateDecky),
    /// Changes a LAN; in a live maze, only its position on the canvas.
    UpdateLan(UpdateLan),
}

impl Mutation {
    /// The ops.
    pub const OPS: &[&str] = &[
        "add_lan",
        "remove_lan",
        "add_decky",
        "attach_decky",
        "detach_decky",
        "remove_decky",
        "update_decky",
        "update_lan",
    ];

    /// Returns the op, as on the wire.
    pub const fn op(&self) -> &'static str {
        match self {
            Self::AddLan(_) => "add_lan",
            Self::RemoveLan(_) => "remove_lan",
            Self::AddDecky(_) => "add_decky",
            Self::AttachDecky(_) => "attach_decky",
            Self::DetachDecky(_) => "detach_decky",
            Self::RemoveDecky(_) => "remove_decky",
            Self::UpdateDecky(_) => "update_decky",
            Self::UpdateLan(_) => "update_lan",
        }
    }

    /// Returns the name of the LAN or decky that it changes.
    pub const fn subject(&self) -> &Name {
        match self {
            Self::AddLan(add) => &add.name,
            Self::RemoveLan(remove) => &remove.name,
            Self::AddDecky(add) => &add.name,
            Self::AttachDecky(attach) => &attach.decky,
            Self::DetachDecky(detach) => &detach.decky,
            Self::RemoveDecky(remove) => &remove.decky,
            Self::UpdateDecky(update) => &update.decky,
            Self::UpdateLan(update) => &update.name,
        }
    }

    /// Returns what it uses of a user's catalogue: the entries of the services and archetypes that it names, also in configurations
    /// and personas, and that differ from the built-in ones.
    pub fn catalog_excerpt(&self, catalog: &Catalog) -> CatalogExcerpt {
        let (services, config, persona, archetype) = match self {
            Self::AddDecky(add) => (
                &add.services,
                &add.service_config,
                add.persona.as_deref(),
                add.archetype.as_deref(),
            ),
            Self::UpdateDecky(update) => {
                let DeckyPatch {
                    service_config,
                    archetype,
                    persona,
                    ..
                } = &update.patch;
                let persona = persona.as_ref().and_then(Option::as_deref);
                let archetype = archetype.as_ref().and_then(Option::as_deref);
                (&update.services, service_config, persona, archetype)
            }
            _ => return CatalogExcerpt::default(),
        };
        let configured = config.iter().flat_map(BTreeMap::keys);
        let pinned = persona.into_iter().flat_map(|persona| persona.versions.keys());
        catalog.excerpt(services.iter().flatten().chain(configured).chain(pinned), archetype)
    }

    /// Returns whether it may recreate a base.
    pub const fn force(&self) -> bool {
        match self {
            Self::AttachDecky(attach) => attach.force,
            Self::UpdateDecky(update) => update.force,
            _ => false,
        }
    }

    /// Returns the JSON Schema (draft 2020-12) of a mutation. It accepts slightly more than `from_value`, which also checks
    /// subnets.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Self).to_value()
    }
}
