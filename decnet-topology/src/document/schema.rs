//! The types that describe a document. They define its JSON Schema and its printed form.

use std::{collections::BTreeMap, net::Ipv4Addr};

use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::{
    config::TopologyConfig,
    document::FORMAT,
    id::TopologyId,
    model::{Coordinate, Draft, DraftDecky, DraftLan, Persona, ServiceConfig},
    name::{Name, ServiceName},
    shuffle::Shuffle,
    status::Status,
    version::Version,
};

/// A maze of decoy hosts: LANs, deckies and attachments.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename = "decnet.topology/1", deny_unknown_fields)]
pub(super) struct DocumentOut<'a> {
    /// The format and its version.
    #[schemars(extend("const" = FORMAT))]
    format: &'static str,
    /// The topology's name: free text without control characters.
    #[schemars(length(min = 1, max = 64))]
    name: &'a str,
    /// The id of the printed topology in the store.
    #[schemars(with = "Option<uuid_text::UuidText>")]
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<TopologyId>,
    /// Its status when it was printed.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    /// Its version when it was printed: the count of its edits.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<Version>,
    /// The seed that it was generated from.
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    /// The config that it was generated from.
    #[schemars(with = "Option<BTreeMap<String, Value>>")]
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<&'a TopologyConfig>,
    /// How often its deckies get other services.
    #[serde(skip_serializing_if = "Option::is_none")]
    shuffle: Option<&'a Shuffle>,
    /// The LANs.
    #[schemars(default, with = "Vec<LanOut<'a>>")]
    lans: Lans<'a>,
    /// The decoy hosts.
    #[schemars(default, with = "Vec<DeckyOut<'a>>")]
    deckies: Deckies<'a>,
}

/// The LANs; each is converted when it is printed.
#[derive(Debug, Default)]
struct Lans<'a> {
    lans: &'a [DraftLan],
    shuffles: BTreeMap<&'a str, &'a Shuffle>,
}

impl Serialize for Lans<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.lans.iter().map(|lan| lan_out(lan, &self.shuffles)))
    }
}

/// The deckies; each is converted when it is printed.
#[derive(Debug, Default)]
struct Deckies<'a> {
    all: &'a [DraftDecky],
    lans: &'a [DraftLan],
    shuffles: BTreeMap<&'a str, &'a Shuffle>,
}

impl Serialize for Deckies<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.all.iter().map(|decky| decky_out(self.lans, decky, &self.shuffles)))
    }
}

/// One L2 segment with one IPv4 subnet.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename = "lan", deny_unknown_fields)]
struct LanOut<'a> {
    /// A DNS label, unique among the LANs, case ignored.
    #[schemars(with = "Name")]
    name: &'a str,
    /// The subnet, like 172.20.0.0/24, without host bits; one is allocated if there is none.
    #[schemars(with = "Option<String>", regex(pattern = r"^(\d{1,3}\.){3}\d{1,3}/\d{1,2}$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    subnet: Option<Ipv4Net>,
    /// Whether it is the one LAN that outsiders may reach.
    #[schemars(default)]
    #[serde(skip_serializing_if = "is_false")]
    dmz: bool,
    /// How often the deckies at home in it get other services, instead of the rule for the whole maze.
    #[serde(skip_serializing_if = "Option::is_none")]
    shuffle: Option<&'a Shuffle>,
    /// The position on the canvas, to the right.
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<Coordinate>,
    /// The position on the canvas, down.
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<Coordinate>,
}

/// A decoy host.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename = "decky", deny_unknown_fields)]
struct DeckyOut<'a> {
    /// A DNS label, unique among the deckies, case ignored.
    #[schemars(with = "Name")]
    name: &'a str,
    /// The archetype: a kind of host of the catalogue, with its usual services and its operating system.
    #[serde(skip_serializing_if = "Option::is_none")]
    archetype: Option<&'a str>,
    /// The services of the decky. Without this key, it runs those of its archetype; an empty list means none.
    #[schemars(default, with = "Vec<String>")]
    #[serde(skip_serializing_if = "Option::is_none")]
    services: Option<&'a [ServiceName]>,
    /// Configuration: service, field, value.
    #[schemars(default = "no_config", with = "BTreeMap<String, BTreeMap<String, Value>>")]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    service_config: &'a ServiceConfig,
    /// What is pinned of the host that it pretends to be; the rest follows from its archetype, its name and a secret of the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    persona: Option<&'a Persona>,
    /// Whether it forwards packets between its LANs. With its home in the DMZ it is then a gateway: the host publishes the ports
    /// of its services.
    #[schemars(default)]
    #[serde(skip_serializing_if = "is_false")]
    forwards_l3: bool,
    /// The LANs that it is attached to; the first is its home.
    #[schemars(default)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<AttachmentOut<'a>>,
    /// How often it gets other services, instead of the rules for its home and the whole maze.
    #[serde(skip_serializing_if = "Option::is_none")]
    shuffle: Option<&'a Shuffle>,
    /// The position on the canvas, to the right.
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<Coordinate>,
    /// The position on the canvas, down.
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<Coordinate>,
}

/// A decky's membership in a LAN.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename = "attachment", deny_unknown_fields)]
struct AttachmentOut<'a> {
    /// The name of the LAN.
    lan: &'a str,
    /// The address on the LAN; the lowest free one is allocated if absent.
    #[schemars(with = "Option<std::net::Ipv4Addr>")]
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<Ipv4Addr>,
}

mod uuid_text {
    use std::borrow::Cow;

    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

    /// A UUID as text.
    pub(super) struct UuidText;

    impl JsonSchema for UuidText {
        fn schema_name() -> Cow<'static, str> {
            "uuid".into()
        }

        fn inline_schema() -> bool {
            true
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({"type": "string", "format": "uuid"})
        }
    }
}

fn no_config() -> &'static ServiceConfig {
    static NONE: ServiceConfig = ServiceConfig::new();
    &NONE
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

impl<'a> From<&'a Draft> for DocumentOut<'a> {
    fn from(draft: &'a Draft) -> Self {
        let header = &draft.header;
        Self {
            format: FORMAT,
            name: &header.name,
            id: header.id,
            status: header.status,
            version: header.version,
            seed: header.seed,
            config: header.config.as_ref(),
            shuffle: draft.shuffles.topology.as_ref(),
            lans: Lans {
                lans: &draft.lans,
                shuffles: by_name(&draft.shuffles.lans),
            },
            deckies: Deckies {
                all: &draft.deckies,
                lans: &draft.lans,
                shuffles: by_name(&draft.shuffles.deckies),
            },
        }
    }
}

fn by_name(rules: &BTreeMap<Name, Shuffle>) -> BTreeMap<&str, &Shuffle> {
    rules.iter().map(|(name, rule)| (name.as_str(), rule)).collect()
}

fn lan_out<'a>(lan: &'a DraftLan, shuffles: &BTreeMap<&str, &'a Shuffle>) -> LanOut<'a> {
    LanOut {
        name: &lan.name,
        subnet: lan.subnet,
        dmz: lan.is_dmz,
        shuffle: shuffles.get(lan.name.as_str()).copied(),
        x: lan.position.x,
        y: lan.position.y,
    }
}

fn decky_out<'a>(lans: &'a [DraftLan], decky: &'a DraftDecky, shuffles: &BTreeMap<&str, &'a Shuffle>) -> DeckyOut<'a> {
    // An attachment to a LAN that does not exist has no name to print.
    let attachments = decky.attachments.iter().filter_map(|attachment| {
        lans.get(attachment.lan).map(|lan| AttachmentOut {
            lan: &lan.name,
            ip: attachment.ip,
        })
    });
    DeckyOut {
        name: &decky.name,
        archetype: decky.archetype.as_deref(),
        services: decky.services.as_deref(),
        service_config: &decky.service_config,
        persona: decky.persona.as_ref(),
        forwards_l3: decky.forwards_l3,
        attachments: attachments.collect(),
        shuffle: shuffles.get(decky.name.as_str()).copied(),
        x: decky.position.x,
        y: decky.position.y,
    }
}

/// Returns the JSON Schema (draft 2020-12) of a document.
///
/// Editors can complete and check maze files with it. It accepts slightly more than [`parse`](super::parse()), which also checks
/// subnets.
///
/// ```
/// let schema = decnet_topology::document::schema();
/// assert_eq!(schema["properties"]["format"]["const"], "decnet.topology/1");
/// ```
pub fn schema() -> Value {
    schemars::schema_for!(DocumentOut<'static>).to_value()
}
