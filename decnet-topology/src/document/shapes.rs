//! The parts of a document, read straight into what the draft is made of.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    net::Ipv4Addr,
};

use ipnet::Ipv4Net;
use serde::de::{DeserializeOwned, MapAccess, SeqAccess};

use crate::{
    config::TopologyConfig,
    document::{
        FORMAT,
        keys::Keys,
        place::{Path, Place},
        scalar::{Flag, ListOf, Node, Number, Optional, Shape, Text, Whole, each},
        value::{AnyValue, Configuration},
    },
    finding::{Code, Finding, Target},
    model::{DraftDecky, DraftLan, Header},
    name::{ServiceName, TopologyName},
    net,
    version::Version,
};

/// A document, its attachments not yet joined to their LANs.
#[derive(Default)]
pub(super) struct RawDocument<'de> {
    pub(super) header: Header,
    pub(super) lans: Vec<DraftLan>,
    /// Without attachments.
    pub(super) deckies: Vec<DraftDecky>,
    /// Those of all deckies, one decky after the other.
    pub(super) attachments: Vec<RawAttachment<'de>>,
}

pub(super) struct RawAttachment<'de> {
    /// The place of the decky.
    pub(super) decky: usize,
    pub(super) lan: Cow<'de, str>,
    pub(super) ip: Option<Ipv4Addr>,
    pub(super) bad_ip: Option<Box<str>>,
    /// Where it stands, if that is known.
    pub(super) offset: Option<usize>,
}

/// Goes on to the value of a key.
macro_rules! value {
    ($map:ident, $place:ident, $key:ident, $shape:expr) => {{
        let path = Path::Key($place.path, $key);
        let place = Place { path: &path, ..$place };
        $map.next_value_seed(place.read($shape))?
    }};
}

pub(super) struct Document;

impl Document {
    const KEYS: &[&str] = &[
        "format", "name", "id", "status", "version", "seed", "config", "lans", "deckies",
    ];
}

impl<'de> Shape<'de> for Document {
    type Out = Option<RawDocument<'de>>;

    fn plain(self, _: Place<'_>, _: Node<'de>) -> Self::Out {
        None
    }

    fn map<A: MapAccess<'de>>(self, place: Place<'_>, mut map: A) -> Result<Self::Out, A::Error> {
        let mut document = RawDocument::default();
        let (mut format, mut name) = (false, false);
        let mut keys = Keys::new(place, Self::KEYS);
        while let Some(key) = keys.next(&mut map)? {
            match key {
                "format" => {
                    let found = value!(map, place, key, AnyValue);
                    if found.as_ref().and_then(|found| found.as_str()) != Some(FORMAT) {
                        let found = found.unwrap_or_default();
                        let message = format!("`format` is {found}, but this program reads `{FORMAT}`");
                        return Err(place.reading.refuse(Code::DocFormat, message));
                    }
                    format = true;
                }
                "name" => {
                    name = true;
                    if let Some(text) = value!(map, place, key, Text) {
                        check_name(place, &text);
                        document.header.name = text.into_owned();
                    }
                }
                "id" => document.header.id = value!(map, place, key, parsed("the id of a topology")),
                "status" => document.header.status = value!(map, place, key, parsed("the status of a topology")),
                "version" => document.header.version = value!(map, place, key, Optional(Whole)).map(Version::new),
                "seed" => document.header.seed = value!(map, place, key, Optional(Whole)),
                "config" => {
                    document.header.config = value!(map, place, key, parsed("what a topology is generated from"));
                    let base = document.header.config.as_ref().map(TopologyConfig::subnet_base_prefix);
                    check_base(place, base);
                }
                "lans" => document.lans = value!(map, place, key, ListOf::new(|| LanShape)),
                _ => value!(map, place, key, Deckies(&mut document)),
            }
        }
        if !format {
            let message = format!("the document has no `format`; add `format: {FORMAT}` if it is a maze file");
            place.reading.at_unknown();
            return Err(place.reading.refuse(Code::DocFormat, message));
        }
        if !name {
            place.reading.at_unknown();
            place.missing("name");
        }
        Ok(Some(document))
    }
}

fn check_name(place: Place<'_>, text: &str) {
    if let Err(fault) = TopologyName::new(text) {
        place.note(
            Code::NameInvalid,
            "name".into(),
            format!("the topology's name is none: {fault}"),
        );
    }
}

/// The pool that LANs of the maze are given subnets from later.
fn check_base(place: Place<'_>, base: Option<Ipv4Net>) {
    let special = base.and_then(|base| Some((base, net::unusable(base)?)));
    if let Some((base, special)) = special {
        let message = format!("the base {base} of the config shares addresses with {special}, which no LAN can use");
        place.note(Code::SubnetSpecial, "config.subnet_base_prefix".into(), message);
    }
}

/// Reads any value and makes a `T` of it by serde.
struct Parsed<T>(&'static str, std::marker::PhantomData<T>);

fn parsed<T: DeserializeOwned>(what: &'static str) -> Optional<Parsed<T>> {
    Optional(Parsed(what, std::marker::PhantomData))
}

impl<T: DeserializeOwned> Parsed<T> {
    fn read(&self, place: Place<'_>, value: Option<serde_json::Value>) -> Option<T> {
        match serde_json::from_value(value?) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                let path = place.path.to_string();
                let message = format!("{path} is not {}: {error}", self.0);
                place.note(Code::DocType, path, message);
                None
            }
        }
    }
}

impl<'de, T: DeserializeOwned> Shape<'de> for Parsed<T> {
    type Out = Option<T>;

    fn plain(self, place: Place<'_>, node: Node<'de>) -> Option<T> {
        self.read(place, AnyValue.plain(place, node))
    }

    fn map<A: MapAccess<'de>>(self, place: Place<'_>, map: A) -> Result<Option<T>, A::Error> {
        let value = AnyValue.map(place, map)?;
        Ok(self.read(place, value))
    }
}

struct LanShape;

impl LanShape {
    const KEYS: &[&str] = &["name", "subnet", "dmz", "x", "y"];
}

impl<'de> Shape<'de> for LanShape {
    type Out = Option<DraftLan>;

    fn plain(self, place: Place<'_>, node: Node<'de>) -> Option<DraftLan> {
        place.mismatch("a map that describes a LAN", node.type_name());
        None
    }

    fn map<A: MapAccess<'de>>(self, place: Place<'_>, mut map: A) -> Result<Option<DraftLan>, A::Error> {
        let mut lan = DraftLan::default();
        let mut name = None;
        let mut bad_subnet = None;
        let mut keys = Keys::new(place, Self::KEYS);
        while let Some(key) = keys.next(&mut map)? {
            match key {
                "name" => name = Some(value!(map, place, key, Text)),
                "subnet" => match value!(map, place, key, Optional(Text)).map(|text| net::parse_subnet(&text)) {
                    Some(Ok(subnet)) => lan.subnet = Some(subnet),
                    Some(Err(fault)) => bad_subnet = Some((place.reading.offset(), fault)),
                    None => {}
                },
                "dmz" => lan.is_dmz = value!(map, place, key, Flag),
                "x" => lan.position.x = value!(map, place, key, Optional(Number)),
                _ => lan.position.y = value!(map, place, key, Optional(Number)),
            }
        }
        if let Some((offset, fault)) = bad_subnet {
            let name = name.as_ref().and_then(Option::as_deref).unwrap_or_default();
            let message = format!("the subnet of LAN `{name}` cannot be read: {fault}");
            let target = Target::Lan { lan: name.into() };
            place
                .reading
                .note(offset, Finding::new(Code::SubnetMalformed, target, message));
        }
        if name.is_none() {
            place.missing("name");
        }
        Ok(name.flatten().map(|name| DraftLan {
            name: name.into_owned(),
            ..lan
        }))
    }
}

/// The list of deckies, which go into a document.
struct Deckies<'d, 'de>(&'d mut RawDocument<'de>);

impl<'de> Shape<'de> for Deckies<'_, 'de> {
    type Out = ();

    fn plain(self, place: Place<'_>, node: Node<'de>) {
        place.mismatch("a list", node.type_name());
    }

    fn list<A: SeqAccess<'de>>(self, place: Place<'_>, list: A) -> Result<(), A::Error> {
        let Self(document) = self;
        let attachments = RefCell::new(&mut document.attachments);
        let count = Cell::new(document.deckies.len());
        let shape = || DeckyShape {
            decky: count.get(),
            attachments: &attachments,
        };
        each(place, list, shape, |decky| {
            document.deckies.push(decky);
            count.set(count.get() + 1);
        })
    }
}

/// A decky; its attachments go into a list of all.
struct DeckyShape<'a, 'd, 'de> {
    decky: usize,
    attachments: &'a RefCell<&'d mut Vec<RawAttachment<'de>>>,
}

impl DeckyShape<'_, '_, '_> {
    const KEYS: &'static [&'static str] = &[
        "name",
        "archetype",
        "services",
        "service_config",
        "forwards_l3",
        "attachments",
        "x",
        "y",
    ];
}

impl<'de> Shape<'de> for DeckyShape<'_, '_, 'de> {
    type Out = Option<DraftDecky>;

    fn plain(self, place: Place<'_>, node: Node<'de>) -> Self::Out {
        place.mismatch("a map that describes a decky", node.type_name());
        None
    }

    fn map<A: MapAccess<'de>>(self, place: Place<'_>, mut map: A) -> Result<Self::Out, A::Error> {
        let mut decky = DraftDecky::default();
        let mut name = None;
        let mut keys = Keys::new(place, Self::KEYS);
        let before = self.attachments.borrow().len();
        while let Some(key) = keys.next(&mut map)? {
            match key {
                "name" => name = Some(value!(map, place, key, Text)),
                "archetype" => decky.archetype = value!(map, place, key, Optional(Text)).map(Cow::into_owned),
                "services" => decky.services = value!(map, place, key, ListOf::new(|| ServiceShape)),
                "service_config" => decky.service_config = value!(map, place, key, Configuration),
                "forwards_l3" => decky.forwards_l3 = value!(map, place, key, Flag),
                "attachments" => value!(map, place, key, Attachments(&self)),
                "x" => decky.position.x = value!(map, place, key, Optional(Number)),
                _ => decky.position.y = value!(map, place, key, Optional(Number)),
            }
        }
        if name.is_none() {
            place.missing("name");
        }
        let Some(name) = name.flatten() else {
            self.attachments.borrow_mut().truncate(before);
            return Ok(None);
        };
        decky.name = name.into_owned();
        Ok(Some(decky))
    }
}

/// The list of a decky's attachments.
struct Attachments<'s, 'a, 'd, 'de>(&'s DeckyShape<'a, 'd, 'de>);

impl<'de> Shape<'de> for Attachments<'_, '_, '_, 'de> {
    type Out = ();

    fn plain(self, place: Place<'_>, node: Node<'de>) {
        place.mismatch("a list", node.type_name());
    }

    fn list<A: SeqAccess<'de>>(self, place: Place<'_>, list: A) -> Result<(), A::Error> {
        let DeckyShape { decky, attachments } = self.0;
        let shape = || AttachmentShape { decky: *decky };
        each(place, list, shape, |attachment| {
            attachments.borrow_mut().push(attachment);
        })
    }
}

struct ServiceShape;

impl<'de> Shape<'de> for ServiceShape {
    type Out = Option<ServiceName>;

    fn plain(self, place: Place<'_>, node: Node<'de>) -> Option<ServiceName> {
        Text.plain(place, node).map(|text| ServiceName::new(&text))
    }
}

struct AttachmentShape {
    decky: usize,
}

impl AttachmentShape {
    const KEYS: &[&str] = &["lan", "ip"];
}

impl<'de> Shape<'de> for AttachmentShape {
    type Out = Option<RawAttachment<'de>>;

    fn plain(self, place: Place<'_>, node: Node<'de>) -> Self::Out {
        place.mismatch("a map with `lan` and `ip`", node.type_name());
        None
    }

    fn map<A: MapAccess<'de>>(self, place: Place<'_>, mut map: A) -> Result<Self::Out, A::Error> {
        let (mut lan, mut ip, mut bad_ip) = (None, None, None);
        let mut keys = Keys::new(place, Self::KEYS);
        while let Some(key) = keys.next(&mut map)? {
            match key {
                "lan" => lan = Some(value!(map, place, key, Text)),
                _ => {
                    if let Some(text) = value!(map, place, key, Optional(Text)) {
                        ip = text.parse().ok();
                        bad_ip = ip.is_none().then(|| text.into());
                    }
                }
            }
        }
        if lan.is_none() {
            place.missing("lan");
        }
        let offset = place.reading.offset();
        Ok(lan.flatten().map(|lan| RawAttachment {
            decky: self.decky,
            lan,
            ip,
            bad_ip,
            offset,
        }))
    }
}
