use std::{collections::BTreeSet, net::Ipv4Addr};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::{
    model::ServiceConfig,
    name::{Name, ServiceName},
};

/// What [`Mutation::AddLan`](super::Mutation::AddLan) says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddLan {
    /// The name of the new LAN.
    pub name: Name,
    /// Its subnet; one is allocated if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet: Option<Ipv4Net>,
    /// Whether it is the DMZ.
    #[serde(default)]
    pub is_dmz: bool,
    /// Its place on the canvas, from the left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<f64>,
    /// Its place on the canvas, from the top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<f64>,
}

/// What [`Mutation::RemoveLan`](super::Mutation::RemoveLan) says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveLan {
    /// The LAN.
    pub name: Name,
}

/// What [`Mutation::AddDecky`](super::Mutation::AddDecky) says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddDecky {
    /// The name of the new decky.
    pub name: Name,
    /// Its home.
    pub lan: Name,
    /// What it runs.
    #[serde(default)]
    pub services: BTreeSet<ServiceName>,
    /// How its services are configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_config: Option<ServiceConfig>,
    /// What it poses as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archetype: Option<String>,
    /// Whether it forwards packets.
    #[serde(default)]
    pub forwards_l3: bool,
    /// Its address; the lowest that is free if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<Ipv4Addr>,
    /// Its place on the canvas, from the left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<f64>,
    /// Its place on the canvas, from the top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<f64>,
}

/// What [`Mutation::AttachDecky`](super::Mutation::AttachDecky) says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttachDecky {
    /// The decky.
    pub decky: Name,
    /// The LAN.
    pub lan: Name,
    /// Its address there; the lowest that is free if none is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<Ipv4Addr>,
    /// Whether it forwards from now on; `false` leaves it as it is.
    #[serde(default)]
    pub forwards_l3: bool,
    /// Whether its base may be recreated.
    #[serde(default)]
    pub force: bool,
}

/// What [`Mutation::DetachDecky`](super::Mutation::DetachDecky) says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetachDecky {
    /// The decky.
    pub decky: Name,
    /// The LAN.
    pub lan: Name,
}

/// What [`Mutation::RemoveDecky`](super::Mutation::RemoveDecky) says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveDecky {
    /// The decky.
    pub decky: Name,
}

/// What [`Mutation::UpdateDecky`](super::Mutation::UpdateDecky) says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateDecky {
    /// The decky.
    pub decky: Name,
    /// What changes of it.
    #[serde(default)]
    pub patch: DeckyPatch,
    /// What it runs from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub services: Option<BTreeSet<ServiceName>>,
    /// Its place on the canvas, from the left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<f64>,
    /// Its place on the canvas, from the top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<f64>,
    /// Whether its base may be recreated.
    #[serde(default)]
    pub force: bool,
}

/// What changes of a decky.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeckyPatch {
    /// Replaces the whole configuration of its services.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_config: Option<ServiceConfig>,
    /// Sets what it poses as; `Some(None)` clears it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archetype: Option<Option<String>>,
    /// Sets whether it forwards packets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwards_l3: Option<bool>,
}

/// What [`Mutation::UpdateLan`](super::Mutation::UpdateLan) says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateLan {
    /// The LAN.
    pub name: Name,
    /// What changes of it.
    #[serde(default)]
    pub patch: LanPatch,
    /// Its place on the canvas, from the left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<f64>,
    /// Its place on the canvas, from the top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<f64>,
}

/// What changes of a LAN.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LanPatch {
    /// Renames it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// Gives it another subnet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet: Option<Ipv4Net>,
    /// Sets whether it is the DMZ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_dmz: Option<bool>,
}
