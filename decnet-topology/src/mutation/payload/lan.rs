use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    model::{Coordinate, Position},
    name::Name,
};

/// The payload of `add_lan`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddLan {
    /// The name of the new LAN.
    pub name: Name,
    /// Its subnet; allocated if absent.
    #[schemars(
        with = "Option<String>",
        regex(pattern = r"^(\d{1,3}\.){3}\d{1,3}/\d{1,2}$"),
        default
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet: Option<Ipv4Net>,
    /// Whether it is the DMZ.
    #[schemars(default)]
    pub is_dmz: bool,
    /// Its position on the canvas, to the right.
    #[schemars(with = "Coordinate", default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<Coordinate>,
    /// Its position on the canvas, down.
    #[schemars(with = "Coordinate", default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y: Option<Coordinate>,
}

impl AddLan {
    /// Adds an inner LAN with an allocated subnet.
    pub fn new(name: Name) -> Self {
        Self {
            name,
            subnet: None,
            is_dmz: false,
            x: None,
            y: None,
        }
    }

    /// Sets its subnet; the default is an allocated one.
    #[must_use]
    pub fn subnet(mut self, subnet: Ipv4Net) -> Self {
        self.subnet = Some(subnet.trunc());
        self
    }

    /// Makes it the DMZ.
    #[must_use]
    pub fn dmz(mut self) -> Self {
        self.is_dmz = true;
        self
    }

    /// Sets its position on the canvas.
    #[must_use]
    pub fn at(mut self, position: Position) -> Self {
        (self.x, self.y) = (position.x, position.y);
        self
    }
}

/// The payload of `remove_lan`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveLan {
    /// The LAN.
    pub name: Name,
}

impl RemoveLan {
    /// Removes a LAN.
    pub fn new(name: Name) -> Self {
        Self { name }
    }
}

/// The payload of `update_lan`.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateLan {
    /// The LAN.
    pub name: Name,
    /// The changes; none are allowed while the maze runs.
    #[schemars(default)]
    pub patch: LanPatch,
    /// Its position on the canvas, to the right; `Some(None)`, on the wire `null`, clears it.
    #[schemars(with = "Option<Coordinate>", default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<Option<Coordinate>>,
    /// Its position on the canvas, down; `Some(None)`, on the wire `null`, clears it.
    #[schemars(with = "Option<Coordinate>", default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y: Option<Option<Coordinate>>,
}

impl UpdateLan {
    /// Creates an update without changes.
    pub fn new(name: Name) -> Self {
        Self {
            name,
            patch: LanPatch::default(),
            x: None,
            y: None,
        }
    }

    /// Renames it.
    #[must_use]
    pub fn rename(mut self, name: Name) -> Self {
        self.patch.name = Some(name);
        self
    }

    /// Sets another subnet; none allocates one.
    #[must_use]
    pub fn subnet(mut self, subnet: Option<Ipv4Net>) -> Self {
        self.patch.subnet = Some(subnet.map(|subnet| subnet.trunc()));
        self
    }

    /// Sets whether it is the DMZ.
    #[must_use]
    pub fn dmz(mut self, is_dmz: bool) -> Self {
        self.patch.is_dmz = Some(is_dmz);
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
}

/// The changes of a LAN.
#[derive(Debug, Clone, PartialEq, Default, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LanPatch {
    /// Renames it.
    #[schemars(with = "Name", default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// Sets another subnet; `Some(None)`, on the wire `null`, allocates one.
    #[schemars(
        with = "Option<String>",
        regex(pattern = r"^(\d{1,3}\.){3}\d{1,3}/\d{1,2}$"),
        default
    )]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet: Option<Option<Ipv4Net>>,
    /// Sets whether it is the DMZ.
    #[schemars(with = "bool", default)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_dmz: Option<bool>,
}
