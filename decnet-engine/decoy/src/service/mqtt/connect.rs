//! The first packet of a client, as Mosquitto 2.0 reads it.

use super::packet::{Fields, Properties};

/// A client that wants to connect.
#[derive(Debug)]
pub(super) struct Connect<'a> {
    /// 3, 4 or 5: MQTT 3.1, 3.1.1 or 5.0.
    pub(super) version: u8,
    pub(super) keep_alive: u16,
    pub(super) client: &'a [u8],
    pub(super) will: Option<(&'a [u8], &'a [u8])>,
    pub(super) user: Option<&'a [u8]>,
    pub(super) password: Option<&'a [u8]>,
    pub(super) has_auth_method: bool,
    /// Whether the client wants a session that lasts, but has no name.
    pub(super) lacks_name: bool,
}

/// Why there is no client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The packet breaks the protocol: the server closes the connection.
    Malformed,
    /// The version is not known.
    Version,
}

impl<'a> Connect<'a> {
    /// Reads the body of the packet. `first` is its first byte.
    pub(super) fn read(first: u8, body: &'a [u8]) -> Result<Self, Refusal> {
        let mut fields = Fields(body);
        let version = match (fields.string(), fields.u8()) {
            (Some(b"MQIsdp"), Some(version)) if version & 0x7f == 3 => 3,
            (Some(b"MQTT"), Some(version)) if matches!(version & 0x7f, 4 | 5) => version & 0x7f,
            (Some(b"MQIsdp" | b"MQTT"), Some(_)) => return Err(Refusal::Version),
            _ => return Err(Refusal::Malformed),
        };
        let connect = Self::read_rest(version, &mut fields);
        let is_whole = first == 0x10 && fields.0.is_empty();
        connect.filter(|_| is_whole).ok_or(Refusal::Malformed)
    }

    fn read_rest(version: u8, fields: &mut Fields<'a>) -> Option<Self> {
        let flags = fields.u8()?;
        let (is_clean, has_will) = (flags & 0x02 != 0, flags & 0x04 != 0);
        let (has_user, has_password) = (flags & 0x80 != 0, flags & 0x40 != 0);
        let will_options = flags & 0x38;
        let breaks_rules = version > 3 && (flags & 1 != 0 || !has_will && will_options != 0)
            || will_options & 0x18 == 0x18
            || version < 5 && has_password && !has_user;
        if breaks_rules {
            return None;
        }
        let keep_alive = fields.u16()?;
        let properties = if version == 5 {
            fields.properties()?
        } else {
            Properties::default()
        };
        let client = fields.string()?;
        let will = if has_will {
            if version == 5 {
                fields.properties()?;
            }
            let topic = fields
                .string()
                .filter(|topic| !topic.is_empty() && !topic.contains(&b'#'))?;
            Some((topic, fields.data()?))
        } else {
            None
        };
        let user = if has_user { Some(fields.string()?) } else { None };
        let password = if has_password { Some(fields.data()?) } else { None };
        Some(Self {
            version,
            keep_alive,
            client,
            will,
            user,
            password,
            has_auth_method: properties.has_auth_method,
            lacks_name: client.is_empty() && (version == 3 || version == 4 && !is_clean),
        })
    }
}
