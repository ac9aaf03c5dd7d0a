//! The parts of a maze file, decoded.

use std::collections::{BTreeMap, HashMap};

use ipnet::Ipv4Net;

use crate::{
    config::TopologyConfig,
    decode::{At, Fields, Problem},
    finding::{Code, Finding, Target},
    model::{Draft, DraftAttachment, DraftDecky, DraftLan, Header, Persona, Position, TopologyError},
    name::{CaseInsensitive, Name, ServiceName, TopologyName},
    net,
    shuffle::{Shuffle, Shuffles},
    spelling,
    version::Version,
};

const KEYS: &[&str] = &[
    "format", "name", "id", "status", "version", "seed", "config", "shuffle", "lans", "deckies",
];
const LAN_KEYS: &[&str] = &["name", "subnet", "dmz", "shuffle", "x", "y"];
const DECKY_KEYS: &[&str] = &[
    "name",
    "archetype",
    "services",
    "service_config",
    "persona",
    "forwards_l3",
    "attachments",
    "shuffle",
    "x",
    "y",
];
const ATTACHMENT_KEYS: &[&str] = &["lan", "ip"];

/// How many LANs are considered for a suggestion.
const HINTED: usize = 100;

/// Decodes a document.
pub(super) fn draft(at: At<'_, '_>) -> Option<Draft> {
    let fields = at.fields("a map", "a maze file", KEYS)?;
    let lans = fields.get("lans");
    let mut shuffles = Shuffles::default();
    let lans = lans.iter().flat_map(|at| at.items("a list"));
    let lans: Vec<_> = lans.filter_map(|at| lan(at, &mut shuffles.lans)).collect();
    let mut known = Lans::new(&lans);
    let deckies = fields.get("deckies");
    let deckies = deckies.iter().flat_map(|at| at.items("a list"));
    let deckies = deckies
        .filter_map(|at| decky(at, &mut known, &mut shuffles.deckies))
        .collect();
    shuffles.topology = fields.given("shuffle").and_then(Shuffle::decode);
    Some(Draft {
        header: header(&fields),
        lans,
        deckies,
        shuffles,
        findings: Vec::new(),
    })
}

fn header(fields: &Fields<'_, '_>) -> Header {
    let name = fields.required("name", "a text");
    let name = name.and_then(|at| {
        let text = at.text("a text")?;
        if let Err(fault) = TopologyName::new(text) {
            let message = format!("the topology's name is not valid: {fault}");
            found(at, Code::NameInvalid, document("name"), message);
        }
        Some(text.to_owned())
    });
    let config = fields.given("config").and_then(|at| {
        let config = at.parsed::<TopologyConfig>("a config of a topology")?;
        check_base(at, config.subnet_base_prefix());
        Some(config)
    });
    let parsed = fields.given("version").and_then(At::whole);
    Header {
        name: name.unwrap_or_default(),
        id: fields.given("id").and_then(|at| at.parsed("the id of a topology")),
        status: fields
            .given("status")
            .and_then(|at| at.parsed("the status of a topology")),
        version: parsed.map(Version::new),
        seed: fields.given("seed").and_then(At::whole),
        config,
    }
}

fn document(path: &str) -> Target {
    Target::Document {
        path: path.into(),
        line: None,
        column: None,
    }
}

fn found(at: At<'_, '_>, code: Code, target: Target, message: String) {
    let finding = Finding::new(code, target, message);
    at.note(Problem::Found { finding });
}

/// Records a pool in the config that later LANs cannot use.
fn check_base(at: At<'_, '_>, base: Ipv4Net) {
    if let Some(special) = net::unusable(base) {
        let message = format!("the base {base} of the config overlaps {special}, which no LAN can use");
        found(at, Code::SubnetSpecial, document("config.subnet_base_prefix"), message);
    }
}

fn position(fields: &Fields<'_, '_>) -> Position {
    Position {
        x: fields.given("x").and_then(At::number),
        y: fields.given("y").and_then(At::number),
    }
}

fn lan(at: At<'_, '_>, shuffles: &mut BTreeMap<Name, Shuffle>) -> Option<DraftLan> {
    let fields = at.fields("a map that describes a LAN", "a LAN", LAN_KEYS)?;
    let name = fields.required("name", "a text").and_then(|at| at.text("a text"));
    let subnet = fields.given("subnet").and_then(|at| {
        let parsed = net::parse_subnet(at.text("a text")?);
        parsed
            .map_err(|fault| {
                let lan = name.unwrap_or_default();
                let message = format!("the subnet of LAN `{lan}` cannot be read: {fault}");
                found(at, Code::SubnetMalformed, Target::Lan { lan: lan.into() }, message);
            })
            .ok()
    });
    shuffle(&fields, name, shuffles);
    let (is_dmz, position) = (fields.flag("dmz"), position(&fields));
    Some(DraftLan {
        name: name?.into(),
        subnet,
        is_dmz,
        position,
    })
}

/// Reads the shuffle of a LAN or a decky. Of parts with the same name, the last counts; that is a finding of its own, as is an invalid
/// name.
fn shuffle(fields: &Fields<'_, '_>, name: Option<&str>, shuffles: &mut BTreeMap<Name, Shuffle>) {
    let read = fields.given("shuffle").and_then(Shuffle::decode);
    let name = name.and_then(|name| Name::new(name).ok());
    shuffles.extend(name.zip(read));
}

fn decky(at: At<'_, '_>, lans: &mut Lans<'_>, shuffles: &mut BTreeMap<Name, Shuffle>) -> Option<DraftDecky> {
    let fields = at.fields("a map that describes a decky", "a decky", DECKY_KEYS)?;
    let name = fields.required("name", "a text").and_then(|at| at.text("a text"));
    let services = fields.get("services").map(|at| {
        let items = at.items("a list");
        items.filter_map(|at| at.text("a text").map(ServiceName::new)).collect()
    });
    let config = fields.get("service_config");
    let attachments = fields.get("attachments");
    let attachments = attachments.iter().flat_map(|at| at.items("a list"));
    lans.next_decky();
    shuffle(&fields, name, shuffles);
    let decky = DraftDecky {
        name: name.unwrap_or_default().into(),
        services,
        service_config: config
            .map(|at| at.service_config("a map of services", "a map"))
            .unwrap_or_default(),
        archetype: fields
            .given("archetype")
            .and_then(|at| at.text("a text"))
            .map(Into::into),
        persona: fields
            .given("persona")
            .and_then(Persona::decode)
            .filter(|persona| !persona.is_empty()),
        forwards_l3: fields.flag("forwards_l3"),
        attachments: attachments.filter_map(|at| attachment(at, name, lans)).collect(),
        position: position(&fields),
    };
    name.map(|_| decky)
}

/// Decodes an attachment. Attachments of a decky without a name are dropped, so their LANs are not looked up.
fn attachment(at: At<'_, '_>, decky: Option<&str>, lans: &mut Lans<'_>) -> Option<DraftAttachment> {
    let fields = at.fields("a map with `lan` and `ip`", "an attachment", ATTACHMENT_KEYS)?;
    let lan = fields.required("lan", "a text");
    let lan = lan.as_ref().and_then(|at| Some((at, at.text("a text")?)));
    let ip = fields.given("ip");
    let ip = ip.as_ref().and_then(|at| Some((at, at.text("a text")?)));
    let ((lan_at, lan), decky) = (lan?, decky?);
    let target = || Target::Attachment {
        decky: decky.into(),
        lan: lan.into(),
    };
    let address = ip.and_then(|(at, text)| {
        let address = text.parse().ok();
        if address.is_none() {
            let message =
                format!("`{text}` is not an IPv4 address of the form 10.0.0.2 (decky `{decky}`, LAN `{lan}`)");
            found(*at, Code::IpMalformed, target(), message);
        }
        address
    });
    let Some(index) = lans.find(lan) else {
        if !at.counts_only(Code::IpUnknownLan) {
            let names = lans.all.iter().take(HINTED).map(|lan| lan.name.as_str());
            let hint = spelling::hint(lan, names);
            let (decky, lan) = (decky.into(), lan.into());
            let finding = TopologyError::UnknownLan { decky, lan }.finding(&hint);
            lan_at.note(Problem::Found { finding });
        }
        return None;
    };
    if !lans.attach(index) {
        let (decky, lan) = (decky.into(), lans.all[index].name.clone());
        let finding = TopologyError::AttachmentDup { decky, lan }.finding("");
        lan_at.note(Problem::Found { finding });
        return None;
    }
    Some(DraftAttachment {
        lan: index,
        ip: address,
    })
}

/// The LANs by name, and which of them the current decky is attached to.
struct Lans<'l> {
    all: &'l [DraftLan],
    by_name: HashMap<CaseInsensitive<'l>, usize>,
    /// For each LAN, the number of the last decky that was attached to it.
    attached: Vec<usize>,
    decky: usize,
}

impl<'l> Lans<'l> {
    fn new(lans: &'l [DraftLan]) -> Self {
        let mut by_name = HashMap::with_capacity(lans.len());
        for (at, lan) in lans.iter().enumerate() {
            by_name.entry(CaseInsensitive(&lan.name)).or_insert(at);
        }
        Self {
            all: lans,
            by_name,
            attached: vec![0; lans.len()],
            decky: 0,
        }
    }

    /// Returns the position of the LAN of that name; of several, the first.
    fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(&CaseInsensitive(name)).copied()
    }

    fn next_decky(&mut self) {
        self.decky += 1;
    }

    /// Attaches the current decky to a LAN, and returns whether it was not attached before.
    fn attach(&mut self, lan: usize) -> bool {
        std::mem::replace(&mut self.attached[lan], self.decky) != self.decky
    }
}
