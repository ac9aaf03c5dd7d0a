//! NTLM messages (MS-NLMP): the challenge of a server, and what a response reveals.
//!
//! The challenge has the flags, the order of names and the version of Windows, or of Samba on other systems.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use md4::{Digest, Md4};
use md5::Md5;

use crate::service::{
    event::{Auth, Proof, Text},
    persona::Persona,
};

/// The first bytes of each message.
pub(crate) const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";

/// Flags (MS-NLMP, section 2.2.2.5).
mod flag {
    pub(super) const UNICODE: u32 = 0x0000_0001;
    pub(super) const REQUEST_TARGET: u32 = 0x0000_0004;
    pub(super) const SIGN: u32 = 0x0000_0010;
    pub(super) const SEAL: u32 = 0x0000_0020;
    pub(super) const NTLM: u32 = 0x0000_0200;
    pub(super) const ALWAYS_SIGN: u32 = 0x0000_8000;
    pub(super) const TARGET_DOMAIN: u32 = 0x0001_0000;
    pub(super) const TARGET_SERVER: u32 = 0x0002_0000;
    pub(super) const EXTENDED_SECURITY: u32 = 0x0008_0000;
    pub(super) const TARGET_INFO: u32 = 0x0080_0000;
    pub(super) const VERSION: u32 = 0x0200_0000;
    pub(super) const KEY_128: u32 = 0x2000_0000;
    pub(super) const KEY_EXCHANGE: u32 = 0x4000_0000;
    pub(super) const KEY_56: u32 = 0x8000_0000;
}

/// The names of a server in its challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    /// The `NetBIOS` name of the computer.
    pub(crate) computer: String,
    /// The `NetBIOS` name of the domain; that of the computer if it is in no domain.
    pub(crate) domain: String,
    /// The DNS name of the computer.
    pub(crate) dns_computer: String,
    /// The DNS name of the domain.
    pub(crate) dns_domain: String,
    /// The numbers of the version.
    pub(crate) version: (u8, u8, u16),
    /// Whether the computer is in a domain.
    pub(crate) is_member: bool,
}

impl Host {
    /// Returns the names of a host in its domain on Windows, and of a host of its own elsewhere.
    pub(crate) fn new(persona: &Persona) -> Self {
        let computer = persona.netbios();
        let is_member = persona.is_windows();
        Self {
            domain: if is_member {
                persona.netbios_domain()
            } else {
                computer.clone()
            },
            computer,
            dns_computer: persona.fqdn(),
            dns_domain: persona.domain.clone(),
            version: persona.windows_version(),
            is_member,
        }
    }

    /// Returns the CHALLENGE message (section 2.2.1.2) for a NEGOTIATE message. It is none if that is not one.
    pub(crate) fn challenge(&self, negotiate: &[u8], challenge: [u8; 8], now: Timestamp) -> Option<Vec<u8>> {
        if kind(negotiate)? != 1 {
            return None;
        }
        let wanted = long(negotiate, 12)?;
        let of_client = flag::SIGN
            | flag::SEAL
            | flag::ALWAYS_SIGN
            | flag::EXTENDED_SECURITY
            | flag::KEY_128
            | flag::KEY_EXCHANGE
            | flag::KEY_56;
        let flags = wanted & of_client
            | flag::UNICODE
            | flag::REQUEST_TARGET
            | flag::NTLM
            | flag::TARGET_INFO
            | flag::VERSION
            | if self.is_member {
                flag::TARGET_DOMAIN
            } else {
                flag::TARGET_SERVER
            };
        let target = utf16(&self.domain);
        let mut info = Vec::new();
        let mut pair = |id: u16, value: &[u8]| {
            info.extend(id.to_le_bytes());
            info.extend(u16::try_from(value.len()).unwrap_or_default().to_le_bytes());
            info.extend_from_slice(value);
        };
        pair(2, &target);
        pair(1, &utf16(&self.computer));
        pair(4, &utf16(&self.dns_domain));
        pair(3, &utf16(&self.dns_computer));
        if self.is_member {
            pair(5, &utf16(&self.dns_domain));
        }
        pair(7, &file_time(now).to_le_bytes());
        pair(0, &[]);
        let mut message = SIGNATURE.to_vec();
        let mut place = 56_u32;
        let mut field = |message: &mut Vec<u8>, length: usize| {
            let length = u16::try_from(length).unwrap_or_default();
            message.extend(length.to_le_bytes());
            message.extend(length.to_le_bytes());
            message.extend(place.to_le_bytes());
            place += u32::from(length);
        };
        message.extend(2_u32.to_le_bytes());
        field(&mut message, target.len());
        message.extend(flags.to_le_bytes());
        message.extend(challenge);
        message.extend([0; 8]);
        field(&mut message, info.len());
        let (major, minor, build) = self.version;
        message.extend([major, minor]);
        message.extend(build.to_le_bytes());
        message.extend([0, 0, 0, 15]);
        message.extend(target);
        message.extend(info);
        Some(message)
    }
}

/// An AUTHENTICATE message (section 2.2.1.3).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Authenticate {
    /// The user's name; empty for an anonymous login.
    pub(crate) user: String,
    /// The user's domain.
    pub(crate) domain: String,
    /// The name that the client gives its computer.
    pub(crate) workstation: String,
    lm: Vec<u8>,
    nt: Vec<u8>,
    key: Vec<u8>,
    flags: u32,
}

impl Authenticate {
    /// Reads the message. It is none if it is not one, or if a field is outside of it.
    pub(crate) fn parse(message: &[u8]) -> Option<Self> {
        if kind(message)? != 3 {
            return None;
        }
        // A short message, of old clients, has no key and no flags.
        let flags = long(message, 60).unwrap_or(flag::UNICODE);
        let text = |place| {
            let bytes = field(message, place)?;
            Some(if flags & flag::UNICODE == 0 {
                String::from_utf8_lossy(bytes).into_owned()
            } else {
                from_utf16(bytes)
            })
        };
        Some(Self {
            lm: field(message, 12)?.to_vec(),
            nt: field(message, 20)?.to_vec(),
            domain: text(28)?,
            user: text(36)?,
            workstation: text(44)?,
            key: field(message, 52).unwrap_or_default().to_vec(),
            flags,
        })
    }

    /// Returns whether the login is anonymous.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.user.is_empty() && self.nt.is_empty()
    }

    /// Returns whether the client signs or encrypts what follows.
    pub(crate) fn protects(&self) -> bool {
        self.flags & (flag::SIGN | flag::SEAL) != 0
    }

    /// Returns the login attempt, with the response in the format of hashcat's modes 5600 and 5500.
    pub(crate) fn attempt(&self, challenge: [u8; 8], accepted: bool) -> Auth {
        let user = &self.user;
        let domain = &self.domain;
        let (method, hash) = match self.nt.split_at_checked(16) {
            _ if self.is_anonymous() => ("anonymous", None),
            Some((proof, blob)) if self.nt.len() > 24 => {
                let (challenge, proof, blob) = (hex(&challenge), hex(proof), hex(blob));
                ("ntlmv2", Some(format!("{user}::{domain}:{challenge}:{proof}:{blob}")))
            }
            Some(_) => {
                let (lm, nt, challenge) = (hex(&self.lm), hex(&self.nt), hex(&challenge));
                ("ntlmv1", Some(format!("{user}::{domain}:{lm}:{nt}:{challenge}")))
            }
            None => ("ntlm", None),
        };
        Auth {
            method,
            user: Some(user.as_str().into()),
            domain: (!domain.is_empty()).then(|| domain.as_str().into()),
            proof: hash.map_or(Proof::None, |hash| Proof::Hash(Text::hash(&hash))),
            accepted,
        }
    }

    /// Checks an `NTLMv2` response (section 3.3.2), and returns the session key if the password is right.
    pub(crate) fn verify(&self, challenge: [u8; 8], password: &str) -> Option<[u8; 16]> {
        let (proof, blob) = self.nt.split_at_checked(16)?;
        if blob.len() < 28 {
            return None;
        }
        let key = Md4::digest(utf16(password));
        let name = format!("{}{}", self.user.to_uppercase(), self.domain);
        let key = hmac_md5(&key, &[&utf16(&name)]);
        let expected = hmac_md5(&key, &[&challenge, blob]);
        if expected != proof {
            return None;
        }
        let base = hmac_md5(&key, &[proof]);
        if self.flags & flag::KEY_EXCHANGE == 0 {
            return Some(base);
        }
        rc4(&base, &self.key).try_into().ok()
    }
}

/// Returns the number of the message's type. It is none if the bytes are not a message.
pub(crate) fn kind(message: &[u8]) -> Option<u32> {
    message.starts_with(SIGNATURE).then(|| long(message, 8))?
}

/// Returns a text as UTF-16 in the order of bytes that Windows uses.
pub(crate) fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Returns UTF-16 as a text.
pub(crate) fn from_utf16(bytes: &[u8]) -> String {
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|unit| u16::from_le_bytes(unit.try_into().unwrap_or_default()))
        .collect();
    String::from_utf16_lossy(&units)
}

/// Returns a time as Windows counts it: in 100 nanoseconds since 1601.
pub(crate) fn file_time(time: Timestamp) -> u64 {
    let since_1970 = u64::try_from(time.as_nanosecond() / 100).unwrap_or_default();
    since_1970.saturating_add(116_444_736_000_000_000)
}

/// Returns bytes as hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn long(message: &[u8], place: usize) -> Option<u32> {
    let bytes = message.get(place..place.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// Returns the content of a field: its length, its maximum length and its place are at `place`.
fn field(message: &[u8], place: usize) -> Option<&[u8]> {
    let length = usize::try_from(long(message, place)? & 0xffff).ok()?;
    let start = usize::try_from(long(message, place.checked_add(4)?)?).ok()?;
    if length == 0 {
        return Some(&[]);
    }
    message.get(start..start.checked_add(length)?)
}

fn hmac_md5(key: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    let mut mac = Hmac::<Md5>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn rc4(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut state: [u8; 256] = std::array::from_fn(|place| u8::try_from(place).unwrap_or_default());
    let mut other = 0_u8;
    for place in 0..=255_u8 {
        let of_key = key
            .get(usize::from(place) % key.len().max(1))
            .copied()
            .unwrap_or_default();
        other = other.wrapping_add(state[usize::from(place)]).wrapping_add(of_key);
        state.swap(place.into(), other.into());
    }
    let (mut place, mut other) = (0_u8, 0_u8);
    data.iter()
        .map(|byte| {
            place = place.wrapping_add(1);
            other = other.wrapping_add(state[usize::from(place)]);
            state.swap(place.into(), other.into());
            byte ^ state[usize::from(state[usize::from(place)].wrapping_add(state[usize::from(other)]))]
        })
        .collect()
}

/// Messages of a client, for the tests of services.
#[cfg(test)]
pub(crate) mod client {
    use super::*;

    /// The NEGOTIATE message of a client.
    pub(crate) fn negotiate() -> Vec<u8> {
        [
            &SIGNATURE[..],
            &1_u32.to_le_bytes(),
            &0xe208_8297_u32.to_le_bytes(),
            &[0; 16],
            &[10, 0, 0x61, 0x4a, 0, 0, 0, 15],
        ]
        .concat()
    }

    /// The AUTHENTICATE message of a client with an `NTLMv2` response.
    pub(crate) fn authenticate(user: &str, domain: &str, password: &str, challenge: [u8; 8], flags: u32) -> Vec<u8> {
        let blob = [
            &[1, 1, 0, 0, 0, 0, 0, 0][..],
            &[0x11; 8],
            &[0xaa; 8],
            &[0; 4],
            &[2, 0, 2, 0, b'C', 0, 0, 0, 0, 0],
            &[0; 4],
        ]
        .concat();
        let key = hmac_md5(
            &Md4::digest(utf16(password)),
            &[&utf16(&format!("{}{domain}", user.to_uppercase()))],
        );
        let proof = hmac_md5(&key, &[&challenge, &blob]);
        message(
            [
                &[0; 24],
                &[&proof[..], &blob].concat(),
                &utf16(domain),
                &utf16(user),
                &utf16("KALI"),
                &[],
            ],
            flags,
        )
    }

    /// An AUTHENTICATE message without a user.
    pub(crate) fn anonymous() -> Vec<u8> {
        message([&[0], &[], &[], &[], &[], &[]], flag::UNICODE)
    }

    fn message(fields: [&[u8]; 6], flags: u32) -> Vec<u8> {
        let mut message = [&SIGNATURE[..], &3_u32.to_le_bytes()].concat();
        let mut place = 72;
        for content in fields {
            let length = u16::try_from(content.len()).unwrap();
            message.extend([length.to_le_bytes(), length.to_le_bytes()].concat());
            message.extend(u32::to_le_bytes(place));
            place += u32::from(length);
        }
        message.extend(flags.to_le_bytes());
        message.extend([10, 0, 0x61, 0x4a, 0, 0, 0, 15]);
        message.extend(fields.concat());
        message
    }
}

#[cfg(test)]
mod tests;
