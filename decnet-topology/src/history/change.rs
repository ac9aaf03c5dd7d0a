//! One change of one decky.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use serde::{Deserialize, Serialize};

use crate::{
    model::{Decky, Persona, ServiceConfig, Topology},
    name::{Name, ServiceName},
};

/// The state of a decky at some time, without its position on the canvas; written as in a maze file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeckySnapshot {
    /// Its services.
    #[serde(default)]
    pub services: BTreeSet<ServiceName>,
    /// The configuration of its services.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub service_config: ServiceConfig,
    /// Its archetype.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archetype: Option<String>,
    /// What is pinned of its persona.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persona: Option<Box<Persona>>,
    /// Whether it forwards packets.
    #[serde(default)]
    pub forwards_l3: bool,
    /// Its attachments; the first is its home.
    #[serde(default)]
    pub attachments: Vec<Membership>,
}

/// A decky's membership in a LAN, by name: the LAN may have been removed since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Membership {
    /// The LAN.
    pub lan: Name,
    /// The decky's address on it.
    pub ip: Ipv4Addr,
}

/// The change of one decky by an edit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeckyChange {
    /// The decky.
    pub decky: Name,
    /// Its state before; none if it was added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<DeckySnapshot>,
    /// Its state after; none if it was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<DeckySnapshot>,
}

impl DeckySnapshot {
    /// Returns the state of a decky of a topology.
    pub fn of(topology: &Topology, decky: &Decky) -> Self {
        let attachments = decky.attachments().iter().filter_map(|attachment| {
            Some(Membership {
                lan: topology.lan(attachment.lan)?.name().clone(),
                ip: attachment.ip,
            })
        });
        Self {
            services: decky.services().clone(),
            service_config: decky.service_config().clone(),
            archetype: decky.archetype().map(Into::into),
            persona: decky.persona().cloned().map(Box::new),
            forwards_l3: decky.forwards_l3(),
            attachments: attachments.collect(),
        }
    }
}
