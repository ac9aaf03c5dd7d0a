//! The places of findings in the text of a maze file.

use std::{borrow::Cow, collections::HashMap};

use crate::{
    decode::{self, Diagnostics, Lines, Value},
    document::{Syntax, parse},
    finding::{Code, Finding, Target},
};

/// The entries of a map.
type Entries<'t> = [(Cow<'t, str>, Value<'t>)];

/// Sets the place of each finding of a maze file that has none: the value that it is about, or the nearest one before it.
///
/// A finding about the whole file has the place of its first key; so has one about a LAN or decky that the text does not have.
/// A finding that counts others ([`Target::More`]) has no place. Nothing is read if all findings have places.
///
/// ```
/// use decnet_topology::{Catalog, RuleSet, Syntax, document, validate};
///
/// let text = "
/// format: decnet.topology/1
/// name: corp
/// lans: [{name: dmz, subnet: 172.20.0.0/24, dmz: true}]
/// deckies: [{name: web, services: [htpp], attachments: [{lan: dmz}]}]";
/// let draft = document::parse(text, Syntax::Yaml)?;
/// let mut findings = validate(&draft, &Catalog::builtin(), RuleSet::deploy()).findings().to_vec();
/// document::locate(&mut findings, text, Syntax::Yaml);
/// assert_eq!(findings[0].place_in("corp.yaml"), "corp.yaml:5:34");
/// # Ok::<(), decnet_topology::DocumentError>(())
/// ```
pub fn locate(findings: &mut [Finding], text: impl AsRef<[u8]>, syntax: Syntax) {
    let findings = findings.iter_mut();
    let mut without: Vec<_> = findings
        .filter(|finding| finding.place.is_none() && finding.count_of_more().is_none())
        .collect();
    if without.is_empty() {
        return;
    }
    let text = decode::utf8(text.as_ref()).unwrap_or_default();
    let tree = parse::tree(text, syntax).unwrap_or(Value::Null);
    let places = Places::new(text, &tree);
    let mut found: Vec<_> = without
        .iter_mut()
        .map(|finding| (places.offset(finding), finding))
        .collect();
    found.sort_by_key(|(offset, _)| *offset);
    let mut lines = Lines::new(text);
    for (offset, finding) in found {
        finding.place = Some(lines.place(offset).into());
    }
}

/// Finds the places of LANs and deckies in a text.
struct Places<'t> {
    diagnostics: Diagnostics<'t>,
    root: &'t Value<'t>,
    /// The LANs of each name, in the order written.
    lans: HashMap<&'t str, Vec<&'t Value<'t>>>,
    deckies: HashMap<&'t str, Vec<&'t Value<'t>>>,
}

impl<'t> Places<'t> {
    fn new(text: &'t str, root: &'t Value<'t>) -> Self {
        let named = |key| {
            let mut named: HashMap<_, Vec<_>> = HashMap::new();
            for item in get(root, key).into_iter().flat_map(|(_, list)| list.items()) {
                if let Some((_, Value::Text(name))) = get(item, "name") {
                    named.entry(&**name).or_default().push(item);
                }
            }
            named
        };
        Self {
            diagnostics: Diagnostics::new(text),
            root,
            lans: named("lans"),
            deckies: named("deckies"),
        }
    }

    /// Returns the offset of a finding; that of the first key if nothing of it is in the text.
    fn offset(&self, finding: &Finding) -> usize {
        let own = match &finding.target {
            Target::Topology => self.of_topology(finding),
            Target::Document { path, .. } => self.of_path(path),
            Target::Lan { lan } => self.of_lan(finding, lan),
            // The later one is the one to change.
            Target::LanPair { lan, other } => self.of_lan(finding, lan).max(self.of_lan(finding, other)),
            Target::Decky { decky } if finding.code == Code::ShuffleService => {
                self.decky(decky).and_then(|decky| self.of_shuffle(finding, decky))
            }
            Target::Decky { decky } => self.of_decky(finding.code, decky),
            Target::DeckyPair { decky, other } => self
                .of_decky(finding.code, other)
                .or_else(|| self.of_decky(finding.code, decky)),
            Target::Attachment { decky, lan } => self.of_attachment(finding.code, decky, lan),
            Target::Service { decky, service } | Target::HostPort { decky, service, .. } => {
                self.of_service(finding.code, decky, service)
            }
            Target::ServiceField { decky, service, field } => self.of_field(finding.code, decky, service, field),
            Target::More { .. } => None,
        };
        own.or_else(|| self.of_value(self.root)).unwrap_or_default()
    }

    fn of_topology(&self, finding: &Finding) -> Option<usize> {
        match finding.code {
            Code::ShuffleService => self.of_shuffle(finding, self.root),
            Code::DmzMissing | Code::DmzMultiple => self.below(self.root, &["lans"]),
            _ => None,
        }
    }

    /// Returns the offset of the service in a rule for shuffles that the finding is about.
    fn of_shuffle(&self, finding: &Finding, part: &'t Value<'t>) -> Option<usize> {
        let (_, rule) = get(part, "shuffle")?;
        let services = get(rule, "from").into_iter().flat_map(|(_, list)| list.items());
        let is_meant = |item: &&Value<'_>| matches!(item, Value::Text(name) if finding.message.contains(&format!("from `{name}`")));
        let service = services.into_iter().find(is_meant);
        let service = service.and_then(|service| self.of_value(service));
        service.or_else(|| self.below(part, &["shuffle", "from"]))
    }

    /// Returns the offset of a path of keys and indices, or of the nearest part of it.
    fn of_path(&self, path: &str) -> Option<usize> {
        let mut offset = None;
        let mut value = self.root;
        for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
            let next = match step.strip_suffix(']') {
                Some(index) => index.parse().ok().and_then(|index: usize| value.items().nth(index)),
                None => get(value, step).map(|(key, value)| {
                    offset = self.diagnostics.offset_of(key).or(offset);
                    value
                }),
            };
            let Some(next) = next else { break };
            value = next;
            offset = self.of_value(value).or(offset);
        }
        offset
    }

    fn of_lan(&self, finding: &Finding, name: &str) -> Option<usize> {
        let lans = self.lans.get(name)?;
        if finding.code == Code::ShuffleService {
            return lans.first().and_then(|lan| self.of_shuffle(finding, lan));
        }
        let is_of_subnet = matches!(
            finding.code,
            Code::SubnetMalformed
                | Code::SubnetOverlap
                | Code::SubnetTooSmall
                | Code::SubnetSpecial
                | Code::SubnetHostOverlap
                | Code::HostNeighbours
        );
        if !is_of_subnet {
            let lan = chosen(lans, finding.code == Code::LanNameDup)?;
            return self.below(lan, &["name"]);
        }
        // Of several LANs with this name, it is the one whose subnet the message names.
        let is_meant = |lan: &&&Value<'_>| matches!(get(lan, "subnet"), Some((_, Value::Text(subnet))) if finding.message.contains(&**subnet));
        let lan = lans.iter().find(is_meant).or_else(|| lans.first())?;
        self.below(lan, &["subnet"]).or_else(|| self.below(lan, &["name"]))
    }

    fn of_decky(&self, code: Code, name: &str) -> Option<usize> {
        let decky = chosen(self.deckies.get(name)?, code == Code::DeckyNameDup)?;
        match code {
            Code::ArchetypeUnknown => self.below(decky, &["archetype"]),
            Code::PersonaOsUnknown => self.below(decky, &["persona", "os"]),
            Code::PersonaHostnameInvalid | Code::PersonaHostnameTwice => self.below(decky, &["persona", "hostname"]),
            Code::RouterSingleHomed => self.below(decky, &["forwards_l3"]),
            _ => None,
        }
        .or_else(|| self.below(decky, &["name"]))
    }

    fn of_attachment(&self, code: Code, decky: &str, lan: &str) -> Option<usize> {
        let attachments = get(self.decky(decky)?, "attachments")?.1.items();
        let attachments: Vec<_> = attachments
            .filter(|item| matches!(get(item, "lan"), Some((_, Value::Text(name))) if name.eq_ignore_ascii_case(lan)))
            .collect();
        let attachment = chosen(&attachments, code == Code::AttachmentDup);
        let Some(attachment) = attachment else {
            return self.of_decky(code, decky);
        };
        match code {
            Code::IpMalformed | Code::IpOutOfSubnet | Code::IpCollision | Code::IpReserved => {
                self.below(attachment, &["ip"])
            }
            _ => None,
        }
        .or_else(|| self.below(attachment, &["lan"]))
    }

    fn of_service(&self, code: Code, decky: &str, service: &str) -> Option<usize> {
        let named = self.deckies.get(decky)?;
        let found = named.iter().find_map(|entry| self.of_service_in(code, entry, service));
        // Services that are not written come from the archetype.
        let archetype = || named.iter().find_map(|entry| self.below(entry, &["archetype"]));
        found.or_else(archetype).or_else(|| self.of_decky(code, decky))
    }

    fn of_service_in(&self, code: Code, entry: &'t Value<'t>, service: &str) -> Option<usize> {
        let name = code.as_str();
        let special = if name.starts_with("PERSONA_") {
            self.below(entry, &["persona", "versions", service])
        } else if name.starts_with("SERVICE_CFG_") {
            self.key_below(entry, &["service_config", service])
        } else {
            None
        };
        special.or_else(|| {
            let services = get(entry, "services").into_iter().flat_map(|(_, list)| list.items());
            let mut named = services.filter(|item| matches!(item, Value::Text(name) if name == service));
            named.find_map(|item| self.of_value(item))
        })
    }

    fn of_field(&self, code: Code, decky: &str, service: &str, field: &str) -> Option<usize> {
        let path = ["service_config", service, field];
        let mut named = self.deckies.get(decky)?.iter();
        let found = named.find_map(|entry| match code {
            Code::ServiceCfgUnknownField => self.key_below(entry, &path),
            _ => self.below(entry, &path),
        });
        found.or_else(|| self.of_decky(code, decky))
    }

    fn decky(&self, name: &str) -> Option<&'t Value<'t>> {
        self.deckies.get(name)?.first().copied()
    }

    /// Returns the offset of the value at the end of a chain of keys; of a value without an own place, that of its key.
    fn below(&self, value: &'t Value<'t>, keys: &[&str]) -> Option<usize> {
        let (key, value) = at_end(value, keys)?;
        match value {
            Value::Text(text) => self.diagnostics.offset_of(text),
            _ => None,
        }
        .or_else(|| self.diagnostics.offset_of(key))
    }

    /// Returns the offset of the last of a chain of keys.
    fn key_below(&self, value: &'t Value<'t>, keys: &[&str]) -> Option<usize> {
        self.diagnostics.offset_of(at_end(value, keys)?.0)
    }

    /// Returns the offset of a value: a text, or the first key or item with an own place.
    fn of_value(&self, value: &'t Value<'t>) -> Option<usize> {
        match value {
            Value::Text(text) => self.diagnostics.offset_of(text),
            Value::Map(entries) => entries.iter().find_map(|(key, _)| self.diagnostics.offset_of(key)),
            Value::List(items) => items.iter().find_map(|item| self.of_value(item)),
            _ => None,
        }
    }
}

/// Returns an entry of a map; of a repeated key, the first.
fn get<'t>(map: &'t Value<'t>, key: &str) -> Option<(&'t str, &'t Value<'t>)> {
    let entries: &Entries<'t> = match map {
        Value::Map(entries) => entries,
        _ => return None,
    };
    let (key, value) = entries.iter().find(|(name, _)| name == key)?;
    Some((key, value))
}

/// Follows a chain of keys, and returns the last entry.
fn at_end<'t>(map: &'t Value<'t>, keys: &[&str]) -> Option<(&'t str, &'t Value<'t>)> {
    let mut keys = keys.iter();
    let first = get(map, keys.next()?)?;
    keys.try_fold(first, |(_, value), key| get(value, key))
}

/// Returns the first of several values, or the second one if it repeats the first.
fn chosen<'t>(values: &[&'t Value<'t>], is_repeated: bool) -> Option<&'t Value<'t>> {
    values.get(usize::from(is_repeated)).or_else(|| values.first()).copied()
}
