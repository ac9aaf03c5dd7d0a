//! The canonical hash: it shows whether the running maze is the intended one.

use std::{fmt, net::Ipv4Addr, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{
    document::FORMAT,
    model::{Attachment, Decky, Lan, Persona, Topology},
    name::Name,
    net,
    text_form::text_form,
};

/// A canonical hash; prints as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// Returns the 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The error for a text that is not a hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a hash of 64 lower-case hex digits")]
pub struct DigestError {
    /// The text.
    pub text: String,
}

impl DigestError {
    /// Returns a stable code for programs.
    pub const fn code(&self) -> &'static str {
        "malformed_digest"
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Some(byte - b'0'),
            b'a'..=b'f' => Some(byte - b'a' + 10),
            _ => None,
        };
        let read = || {
            let mut bytes = [0; 32];
            let pairs = text.as_bytes().chunks_exact(2);
            if text.len() != 2 * bytes.len() {
                return None;
            }
            for (byte, pair) in bytes.iter_mut().zip(pairs) {
                *byte = digit(pair[0])? << 4 | digit(pair[1])?;
            }
            Some(Self(bytes))
        };
        read().ok_or_else(|| DigestError { text: text.into() })
    }
}

text_form!(Digest: DigestError);

/// Computes the canonical hash of a topology.
///
/// ```
/// use decnet_topology::{Topology, canonical_hash};
///
/// let maze = |lan: &str| Topology::builder().dmz("dmz", "172.20.0.0/24").lan(lan, "172.20.1.0/24").build();
/// assert_eq!(canonical_hash(&maze("office")?), canonical_hash(&maze("office")?));
/// assert_ne!(canonical_hash(&maze("office")?), canonical_hash(&maze("plant")?));
/// assert_eq!(canonical_hash(&maze("office")?).to_string().len(), 64);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// SHA-256 over [`FORMAT`], a line feed, and the canonical JSON of the parts that matter for a deployment: names, subnets,
/// addresses, services and their configuration. Ids, status, positions and the order of the input are not included.
/// `docs/canonical-hash.md` has the full rule for other languages; `tests/vectors/hash-golden.json` has documents and their
/// hashes.
pub fn canonical_hash(topology: &Topology) -> Digest {
    let mut canon = Canon {
        hash: Sha256::new(),
        ahead: Vec::with_capacity(2 * CHUNK),
    };
    canon.raw(FORMAT);
    canon.raw("\n");
    canon.topology(topology);
    canon.hash.update(&canon.ahead);
    Digest(canon.hash.finalize().into())
}

/// The size of the hash's input buffer in bytes: one call for each bracket would take twice as long.
const CHUNK: usize = 4_096;

/// Writes canonical JSON into the hash as it goes.
///
/// Only numbers and texts with characters to escape go through `serde_json`. For everything else, its writer would take
/// longer than the hash.
struct Canon {
    hash: Sha256,
    /// The bytes that are written but not hashed yet.
    ahead: Vec<u8>,
}

impl Canon {
    #[inline]
    fn raw(&mut self, text: &str) {
        self.ahead.extend_from_slice(text.as_bytes());
    }

    /// Hashes the buffer if it is full enough.
    fn pass_on(&mut self) {
        if self.ahead.len() >= CHUNK {
            self.hash.update(&self.ahead);
            self.ahead.clear();
        }
    }

    fn topology(&mut self, topology: &Topology) {
        self.raw("{\"deckies\":");
        self.by_name(topology.deckies(), Decky::name, |canon, decky| {
            canon.decky(topology, decky);
        });
        self.raw(",\"lans\":");
        self.by_name(topology.lans(), Lan::name, Self::lan);
        self.raw("}");
    }

    /// Writes a list of items in the order of their names. Most lists are already in order.
    fn by_name<T>(&mut self, parts: &[T], name: impl Fn(&T) -> &Name, write: impl FnMut(&mut Self, &T)) {
        if parts.is_sorted_by_key(&name) {
            self.list(parts, write);
        } else {
            let mut sorted: Vec<_> = parts.iter().collect();
            sorted.sort_by_key(|part| name(part));
            self.list(sorted, write);
        }
    }

    fn lan(&mut self, lan: &Lan) {
        self.raw("{\"dmz\":");
        self.boolean(lan.is_dmz());
        self.raw(",\"name\":\"");
        self.name(lan.name());
        self.raw("\",\"subnet\":\"");
        net::write_subnet(&mut self.ahead, lan.subnet());
        self.raw("\"}");
    }

    fn decky(&mut self, topology: &Topology, decky: &Decky) {
        self.raw("{\"archetype\":");
        match decky.archetype() {
            Some(archetype) => self.text(archetype),
            None => self.raw("null"),
        }
        self.raw(",\"attachments\":");
        self.attachments(topology, decky);
        self.raw(",\"forwards_l3\":");
        self.boolean(decky.forwards_l3());
        self.raw(",\"name\":\"");
        self.name(decky.name());
        self.raw("\"");
        if let Some(persona) = decky.persona() {
            self.raw(",\"persona\":");
            self.persona(persona);
        }
        self.raw(",\"service_config\":");
        let services = decky.service_config().iter();
        self.object(
            services.map(|(service, fields)| (service.as_str(), fields)),
            |canon, fields| {
                canon.object(fields.iter().map(|(key, value)| (key.as_str(), value)), Self::value);
            },
        );
        self.raw(",\"services\":");
        self.list(decky.services(), |canon, service| canon.text(service.as_str()));
        self.raw("}");
    }

    /// Writes what is pinned of a persona; what is not is left out.
    fn persona(&mut self, persona: &Persona) {
        let texts = [("hostname", &persona.hostname), ("os", &persona.os)];
        let texts = texts
            .into_iter()
            .filter_map(|(key, text)| Some((key, text.as_deref()?)));
        self.raw("{");
        let mut comma = "";
        for (key, text) in texts {
            self.raw(comma);
            self.text(key);
            self.raw(":");
            self.text(text);
            comma = ",";
        }
        if !persona.versions.is_empty() {
            self.raw(comma);
            self.raw("\"versions\":");
            let versions = persona.versions.iter();
            self.object(
                versions.map(|(service, version)| (service.as_str(), version)),
                |canon, version| {
                    canon.text(version);
                },
            );
        }
        self.raw("}");
    }

    fn attachments(&mut self, topology: &Topology, decky: &Decky) {
        let attachments = decky.attachments();
        let named = |attachment: &Attachment| Some((topology.lan(attachment.lan)?.name(), attachment.ip));
        // The home stays first, so most lists need no sorting.
        if attachments.len() <= 2 {
            self.list(attachments.iter().filter_map(named), Self::attachment);
        } else {
            let mut named: Vec<_> = attachments.iter().filter_map(named).collect();
            if let Some(others) = named.get_mut(1..) {
                others.sort_by_key(|(lan, _)| *lan);
            }
            self.list(named, Self::attachment);
        }
    }

    fn attachment(&mut self, (lan, ip): (&Name, Ipv4Addr)) {
        self.raw("{\"ip\":\"");
        net::write_address(&mut self.ahead, ip);
        self.raw("\",\"lan\":\"");
        self.name(lan);
        self.raw("\"}");
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.raw("null"),
            Value::Bool(value) => self.boolean(*value),
            Value::Number(number) => self.scalar(number),
            Value::String(text) => self.text(text),
            Value::Array(items) => self.list(items, Self::value),
            Value::Object(entries) => {
                // Some builds keep objects in another order.
                let mut entries: Vec<_> = entries.iter().map(|(key, value)| (key.as_str(), value)).collect();
                entries.sort_unstable_by_key(|(key, _)| *key);
                self.object(entries, Self::value);
            }
        }
    }

    fn list<T>(&mut self, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut Self, T)) {
        self.raw("[");
        for (at, item) in items.into_iter().enumerate() {
            if at > 0 {
                self.raw(",");
            }
            write(self, item);
            self.pass_on();
        }
        self.raw("]");
    }

    /// Writes an object. Its keys must be in order.
    fn object<'a, T>(&mut self, entries: impl IntoIterator<Item = (&'a str, T)>, mut write: impl FnMut(&mut Self, T)) {
        self.raw("{");
        for (at, (key, value)) in entries.into_iter().enumerate() {
            if at > 0 {
                self.raw(",");
            }
            self.text(key);
            self.raw(":");
            write(self, value);
            self.pass_on();
        }
        self.raw("}");
    }

    fn boolean(&mut self, value: bool) {
        self.raw(if value { "true" } else { "false" });
    }

    /// Writes a name, which needs no escaping.
    fn name(&mut self, name: &Name) {
        self.raw(name.as_str());
    }

    fn text(&mut self, text: &str) {
        let is_escaped = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
        if text.bytes().any(is_escaped) {
            return self.scalar(text);
        }
        self.raw("\"");
        self.raw(text);
        self.raw("\"");
    }

    /// Writes a text or number.
    fn scalar<T: Serialize + ?Sized>(&mut self, value: &T) {
        serde_json::to_writer(&mut self.ahead, value).expect("memory takes every byte, and a scalar is always JSON");
    }
}
