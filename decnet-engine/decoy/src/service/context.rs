//! What a dialogue knows: its service's fields, the host that it belongs to, and its visitor.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddrV4},
    sync::Arc,
};

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{persona::Persona, secret::Secret};
use crate::{
    journal::Visit,
    protocol::{Mac, Protocol},
};

/// A service of a decky, which all its conversations share.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    /// The name in the catalogue, for instance `ssh`.
    pub(crate) name: String,
    /// The fields that the maze sets.
    pub(crate) fields: Fields,
    /// The host that the decky pretends to be.
    pub(crate) persona: Persona,
    /// The source of keys, ids and versions of this decky.
    pub(crate) secret: Secret,
}

/// The visitor and the port of one conversation.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// Connections or datagrams.
    pub(crate) transport: Protocol,
    /// The visitor's address and port.
    pub(crate) remote: SocketAddrV4,
    /// The decky's address that the visitor reached; unspecified if the kernel does not report it.
    pub(crate) local: Ipv4Addr,
    /// The hardware address of the interface with this address, if the base reported it.
    pub(crate) mac: Option<Mac>,
    /// The multicast group that the visitor sent to, instead of to that address.
    pub(crate) group: Option<Ipv4Addr>,
    /// The decky's port.
    pub(crate) port: u16,
    /// Random bytes of this conversation, the source of its challenges and ids.
    pub(crate) random: Secret,
}

impl Session {
    /// Returns what the log says of the two ends.
    pub(crate) fn visit(&self) -> Visit {
        Visit {
            remote: self.remote,
            local: (!self.local.is_unspecified()).then_some(self.local),
            local_port: self.port,
            protocol: self.transport,
        }
    }
}

/// The surroundings of one conversation.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) service: Arc<Service>,
    pub(crate) session: Session,
}

impl Context {
    /// Creates the surroundings of a conversation with `web-01.corp.local`, which are the same at each call.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn example(
        os: crate::protocol::Os,
        service: &str,
        port: u16,
        transport: Protocol,
        fields: Map<String, Value>,
    ) -> Self {
        Self {
            service: Arc::new(Service {
                name: service.into(),
                fields: fields.into(),
                persona: Persona {
                    hostname: "web-01".into(),
                    domain: "corp.local".into(),
                    os,
                    versions: std::collections::BTreeMap::default(),
                },
                secret: Secret::new([7; 32]),
            }),
            session: Session {
                transport,
                remote: SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 9), 40000),
                local: Ipv4Addr::new(10, 9, 0, 2),
                mac: Some(Mac([0, 0x0c, 0x29, 1, 2, 3])),
                group: None,
                port,
                random: Secret::new([9; 32]),
            },
        }
    }

    /// Returns the fields that the maze sets.
    pub(crate) fn fields(&self) -> &Fields {
        &self.service.fields
    }

    /// Returns the host that the decky pretends to be.
    pub(crate) fn persona(&self) -> &Persona {
        &self.service.persona
    }

    /// Returns the version that the maze pins for the service.
    pub(crate) fn pinned_version(&self) -> Option<&str> {
        self.service
            .persona
            .versions
            .get(&self.service.name)
            .map(String::as_str)
    }

    /// Returns bytes that are the same in every conversation with this decky, and different on other deckies. `label` names
    /// their use.
    pub(crate) fn stable<const BYTES: usize>(&self, label: &str) -> [u8; BYTES] {
        self.service.secret.derive(label)
    }

    /// Returns bytes that are different in every conversation. `label` names their use.
    pub(crate) fn fresh<const BYTES: usize>(&self, label: &str) -> [u8; BYTES] {
        self.session.random.derive(label)
    }

    /// Returns the seconds since the decky seems to have started, and how often it has started before. It is the same for all its
    /// services, and starts again after some weeks, as if the host was updated.
    pub(crate) fn uptime(&self, now: Timestamp) -> (u64, u64) {
        const DAY: u64 = 86_400;
        let [days, late @ ..] = self.stable::<5>("uptime");
        let period = (20 + u64::from(days % 40)) * DAY;
        let since = u64::try_from(now.as_second()).unwrap_or_default() + u64::from(u32::from_le_bytes(late)) % period;
        // 2023-11-14, so that the number of starts is small.
        let first = 1_700_000_000;
        (since % period, since.saturating_sub(first) / period + 1)
    }

    /// Returns one of `options`, always the same on this decky. Versions differ between deckies in this way.
    pub(crate) fn pick<'a, T: ?Sized>(&self, label: &str, options: &[&'a T]) -> &'a T {
        let number = usize::from(u16::from_le_bytes(self.stable(label)));
        options[number % options.len()]
    }
}

/// The fields of a service that the maze sets. The validator has checked their types; a field of another type counts as not set.
#[derive(Clone, Default)]
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    /// Returns a string or a text, if it is set.
    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.as_str()
    }

    /// Returns a boolean, if it is set.
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        self.0.get(key)?.as_bool()
    }

    /// Returns a whole number that is not negative, if it is set.
    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.0.get(key)?.as_u64()
    }

    /// Returns the lines of a text without empty ones. A field that is not set has none.
    pub(crate) fn lines(&self, key: &str) -> Vec<&str> {
        let text = self.text(key).unwrap_or_default();
        text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
    }

    /// Returns the options of a `multi_enum`, if they are set.
    pub(crate) fn options(&self, key: &str) -> Option<Vec<&str>> {
        Some(self.0.get(key)?.as_array()?.iter().filter_map(Value::as_str).collect())
    }

    /// Returns whether these are the user and password in the fields `user` and `password`. Without a password in the fields,
    /// no login succeeds. `usual_user` is the user if the field is not set.
    pub(crate) fn admits(&self, usual_user: &str, user: &[u8], password: &[u8]) -> bool {
        let expected = self.text("user").unwrap_or(usual_user);
        user == expected.as_bytes() && self.text("password").is_some_and(|own| own.as_bytes() == password)
    }
}

/// Logs must not have the passwords in the fields.
impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl From<Map<String, Value>> for Fields {
    fn from(fields: Map<String, Value>) -> Self {
        Self(fields)
    }
}
