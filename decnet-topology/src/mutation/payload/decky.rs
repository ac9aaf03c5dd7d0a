use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::{
    model::{Coordinate, Persona, Position, ServiceConfig},
    name::{Name, ServiceName},
};

/// The payload of `add_decky`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddDecky {
    /// The name of the new decky.
    pub name: Name,
    /// Its home.
    pub lan: Name,
    /// Its services. Without this key, it runs those of its archetype; an empty list means none.
    #[schemars(with = "Vec<String>", default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Option<BTreeSet<ServiceName>>,
    /// The configuration of its services.
    #[schemars(with = "BTreeMap<String, BTreeMap<String, Value>>", default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_config: Option<ServiceConfig>,
    /// Its archetype.
    #[schemars(with = "String", default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archetype: Option<String>,
    /// What is pinned of its persona.
    #[schemars(with = "Persona", default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persona: Option<Box<Persona>>,
    /// Whether it forwards packets.
    #[schemars(default)]
    pub forwards_l3: bool,
    /// Its address; the lowest free one if absent.
    #[schemars(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<Ipv4Addr>,
    /// Its position on the canvas, to the right.
    #[schemars(with = "Coordinate", default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<Coordinate>,
    /// Its position on the canvas, down.
    #[schemars(with = "Coordinate", default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y: Option<Coordinate>,
}

impl AddDecky {
    /// Adds a decky with an allocated address, and without services until an archetype or services are set.
    pub fn new(name: Name, lan: Name) -> Self {
        Self {
            name,
            lan,
            services: None,
            service_config: None,
            archetype: None,
            persona: None,
            forwards_l3: false,
            ip: None,
            x: None,
            y: None,
        }
    }

    /// Sets its services; the default are those of its archetype.
    #[must_use]
    pub fn services(mut self, services: impl IntoIterator<Item = impl Into<ServiceName>>) -> Self {
        self.services = Some(services.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the configuration of its services.
    #[must_use]
    pub fn service_config(mut self, config: ServiceConfig) -> Self {
        self.service_config = Some(config);
        self
    }

    /// Sets its archetype.
    #[must_use]
    pub fn archetype(mut self, slug: &str) -> Self {
        self.archetype = Some(slug.into());
        self
    }

    /// Sets what is pinned of its persona.
    #[must_use]
    pub fn persona(mut self, persona: Persona) -> Self {
        self.persona = Some(Box::new(persona));
        self
    }

    /// Lets it forward packets.
    #[must_use]
    pub fn forwarding(mut self) -> Self {
        self.forwards_l3 = true;
        self
    }

    /// Sets its address; the default is the lowest free one.
    #[must_use]
    pub fn ip(mut self, ip: Ipv4Addr) -> Self {
        self.ip = Some(ip);
        self
    }

    /// Sets its position on the canvas.
    #[must_use]
    pub fn at(mut self, position: Position) -> Self {
        (self.x, self.y) = (position.x, position.y);
        self
    }
}

/// The payload of `attach_decky`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AttachDecky {
    /// The decky.
    pub decky: Name,
    /// The LAN.
    pub lan: Name,
    /// Its address on the LAN; the lowest free one if absent.
    #[schemars(default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<Ipv4Addr>,
    /// Whether it forwards from now on; `false` changes nothing.
    #[schemars(default)]
    pub forwards_l3: bool,
    /// Whether its base may be recreated.
    #[schemars(default)]
    pub force: bool,
}

impl AttachDecky {
    /// Attaches a decky to a LAN, with an allocated address.
    pub fn new(decky: Name, lan: Name) -> Self {
        Self {
            decky,
            lan,
            ip: None,
            forwards_l3: false,
            force: false,
        }
    }

    /// Sets its address; the default is the lowest free one.
    #[must_use]
    pub fn ip(mut self, ip: Ipv4Addr) -> Self {
        self.ip = Some(ip);
        self
    }

    /// Lets it forward packets from now on.
    #[must_use]
    pub fn forwarding(mut self) -> Self {
        self.forwards_l3 = true;
        self
    }

    /// Allows its base to be recreated.
    #[must_use]
    pub fn force(mut self) -> Self {
        self.force = true;
        self
    }
}

/// The payload of `detach_decky`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DetachDecky {
    /// The decky.
    pub decky: Name,
    /// The LAN.
    pub lan: Name,
}

impl DetachDecky {
    /// Removes a decky from a LAN.
    pub fn new(decky: Name, lan: Name) -> Self {
        Self { decky, lan }
    }
}

/// The payload of `remove_decky`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveDecky {
    /// The decky.
    pub decky: Name,
}

impl RemoveDecky {
    /// Removes a decky.
    pub fn new(decky: Name) -> Self {
        Self { decky }
    }
}

/// The payload of `update_decky`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateDecky {
    /// The decky.
    pub decky: Name,
    /// The changes.
    #[schemars(default)]
    pub patch: DeckyPatch,
    /// Its new services.
    #[schemars(with = "Vec<String>", default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Option<BTreeSet<ServiceName>>,
    /// Its position on the canvas, to the right; `Some(None)`, on the wire `null`, clears it.
    #[schemars(with = "Option<Coordinate>", default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<Option<Coordinate>>,
    /// Its position on the canvas, down; `Some(None)`, on the wire `null`, clears it.
    #[schemars(with = "Option<Coordinate>", default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y: Option<Option<Coordinate>>,
    /// Whether its base may be recreated.
    #[schemars(default)]
    pub force: bool,
}

impl UpdateDecky {
    /// Creates an update without changes.
    pub fn new(decky: Name) -> Self {
        Self {
            decky,
            patch: DeckyPatch::default(),
            services: None,
            x: None,
            y: None,
            force: false,
        }
    }

    /// Sets its services.
    #[must_use]
    pub fn services(mut self, services: impl IntoIterator<Item = impl Into<ServiceName>>) -> Self {
        self.services = Some(services.into_iter().map(Into::into).collect());
        self
    }

    /// Replaces the whole configuration of its services.
    #[must_use]
    pub fn service_config(mut self, config: ServiceConfig) -> Self {
        self.patch.service_config = Some(config);
        self
    }

    /// Sets its archetype; none clears it.
    #[must_use]
    pub fn archetype(mut self, slug: Option<&str>) -> Self {
        self.patch.archetype = Some(slug.map(Into::into));
        self
    }

    /// Replaces what is pinned of its persona; none pins nothing.
    #[must_use]
    pub fn persona(mut self, persona: Option<Persona>) -> Self {
        self.patch.persona = Some(persona.map(Box::new));
        self
    }

    /// Sets whether it forwards packets.
    #[must_use]
    pub fn forwarding(mut self, forwards_l3: bool) -> Self {
        self.patch.forwards_l3 = Some(forwards_l3);
        self
    }

    /// Sets its position on the canvas. A coordinate that is none stays as it is.
    #[must_use]
    pub fn at(mut self, position: Position) -> Self {
        (self.x, self.y) = (position.x.map(Some), position.y.map(Some));
        self
    }

    /// Sets its position on the canvas. A coordinate that is none is cleared: pictures choose the place again.
    #[must_use]
    pub fn exactly_at(mut self, position: Position) -> Self {
        (self.x, self.y) = (Some(position.x), Some(position.y));
        self
    }

    /// Allows its base to be recreated.
    #[must_use]
    pub fn force(mut self) -> Self {
        self.force = true;
        self
    }
}

/// The changes of a decky.
#[derive(Debug, Clone, PartialEq, Default, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeckyPatch {
    /// Replaces the whole configuration of its services.
    #[schemars(with = "BTreeMap<String, BTreeMap<String, Value>>", default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_config: Option<ServiceConfig>,
    /// Sets its archetype; `Some(None)`, on the wire `null`, clears it.
    #[schemars(with = "Option<String>", default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archetype: Option<Option<String>>,
    /// Replaces what is pinned of its persona; `Some(None)`, on the wire `null`, pins nothing.
    #[schemars(with = "Option<Persona>", default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persona: Option<Option<Box<Persona>>>,
    /// Sets whether it forwards packets.
    #[schemars(with = "bool", default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwards_l3: Option<bool>,
}
