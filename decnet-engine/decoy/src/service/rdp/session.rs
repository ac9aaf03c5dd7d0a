//! The start of a session without network level authentication: T.125 and T.124 around the settings of the client, whose last
//! message has the user and the password (MS-RDPBCGR, sections 2.2.1.3 to 2.2.1.11).

use super::super::{
    dialogue::Turn,
    event::{Auth, Event, Proof},
    wire::ntlm::from_utf16,
};

/// The number of the visitor in the session, minus 1001.
const USER: [u8; 2] = [0, 6];

/// The end of a session: `MCS Disconnect Provider Ultimatum`.
const GOODBYE: &[u8] = &[0x21, 0x80];

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    protocols: u32,
    is_refusing: bool,
}

impl Session {
    /// Starts a session. `protocols` are those that the client asked for.
    pub(super) fn new(protocols: u32) -> Self {
        Self {
            protocols,
            is_refusing: false,
        }
    }

    /// Starts a session that ends at its first message.
    pub(super) fn refusing() -> Self {
        Self {
            protocols: 0,
            is_refusing: true,
        }
    }

    /// Answers to a packet. Returns whether it is one of this protocol.
    pub(super) fn message(&mut self, packet: &[u8], turn: &mut Turn) -> bool {
        let Some([2, 0xf0, 0x80, message @ ..]) = packet.get(4..) else {
            return false;
        };
        match message {
            _ if self.is_refusing => turn.close(),
            [0x7f, 0x65, ..] => {
                let (name, channels) = client(message);
                if let Some(name) = name.filter(|name| !name.is_empty()) {
                    turn.report(Event::client_name(name));
                }
                turn.send(data(&self.server(channels)));
            }
            // The height of the domain needs no answer.
            [0x04, ..] => {}
            [0x28, ..] => turn.send(data(&[&[0x2e, 0][..], &USER].concat())),
            [0x38, rest @ ..] => {
                let Some([user @ .., high, low]) = rest.first_chunk::<4>() else {
                    return false;
                };
                let channel = [*high, *low];
                turn.send(data(&[&[0x3e, 0][..], user, &channel, &channel].concat()));
            }
            [0x64, _, _, _, _, _, rest @ ..] => {
                let Some(event) = settings(after_length(rest)) else {
                    return false;
                };
                turn.report(event);
                turn.send(data(GOODBYE));
                turn.close();
            }
            [0x21, ..] => turn.close(),
            _ => return false,
        }
        true
    }

    /// Returns the settings of the server: no encryption of its own, and a number for each channel.
    fn server(&self, channels: u16) -> Vec<u8> {
        let mut blocks = vec![0x01, 0x0c, 16, 0, 4, 0, 8, 0];
        blocks.extend(self.protocols.to_le_bytes());
        blocks.extend([0; 4]);
        let padded = channels.next_multiple_of(2);
        blocks.extend([0x03, 0x0c]);
        blocks.extend((8 + 2 * padded).to_le_bytes());
        blocks.extend(1003_u16.to_le_bytes());
        blocks.extend(channels.to_le_bytes());
        blocks.extend((1004..).take(channels.into()).flat_map(u16::to_le_bytes));
        if padded != channels {
            blocks.extend([0; 2]);
        }
        blocks.extend([0x02, 0x0c, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let mut conference = b"\0\x05\0\x14\x7c\0\x01\x2a\x14\x76\x0a\x01\x01\0\x01\xc0\0McDn".to_vec();
        conference.extend((0x8000 | u16::try_from(blocks.len()).unwrap_or_default()).to_be_bytes());
        conference.extend(blocks);
        let mut answer = vec![0x0a, 1, 0, 2, 1, 0, 0x30, 0x1a];
        answer.extend([
            2, 1, 0x22, 2, 1, 3, 2, 1, 0, 2, 1, 1, 2, 1, 0, 2, 1, 1, 2, 3, 0, 0xff, 0xf8, 2, 1, 2,
        ]);
        answer.extend([4, 0x82]);
        answer.extend(u16::try_from(conference.len()).unwrap_or_default().to_be_bytes());
        answer.extend(conference);
        let length = u16::try_from(answer.len()).unwrap_or_default().to_be_bytes();
        [&[0x7f, 0x66, 0x82][..], &length, &answer].concat()
    }
}

/// Returns a message in its packet.
fn data(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(7 + message.len()).unwrap_or_default().to_be_bytes();
    [&[3, 0][..], &length, &[2, 0xf0, 0x80], message].concat()
}

/// Returns what follows a length of the Packed Encoding Rules.
fn after_length(bytes: &[u8]) -> &[u8] {
    let size = if bytes.first().is_some_and(|first| *first >= 0x80) {
        2
    } else {
        1
    };
    bytes.get(size..).unwrap_or_default()
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Returns the name of the client's computer and the number of its channels (sections 2.2.1.3.2 and 2.2.1.3.4).
fn client(message: &[u8]) -> (Option<String>, u16) {
    let start = message.windows(4).position(|window| window == b"Duca");
    let mut rest = after_length(start.and_then(|start| message.get(start + 4..)).unwrap_or_default());
    let (mut name, mut channels) = (None, 0);
    while let (Some(kind), Some(length)) = (short(rest, 0), short(rest, 2))
        && let Some((block, others)) = rest.split_at_checked(length.into())
        && length >= 4
    {
        match kind {
            0xc001 => {
                let text = block.get(24..56).map(from_utf16).unwrap_or_default();
                name = text.split('\0').next().map(str::to_owned);
            }
            // Not more than 31 are allowed.
            0xc003 => channels = short(block, 4).unwrap_or_default().min(31),
            _ => {}
        }
        rest = others;
    }
    (name, channels)
}

/// Returns the login in the settings of a user (section 2.2.1.11.1.1).
fn settings(data: &[u8]) -> Option<Event> {
    // The flag of the security header: an information packet that is not encrypted.
    let flags = short(data, 0)?;
    if flags & 0x40 == 0 || flags & 0x08 != 0 {
        return None;
    }
    let info = data.get(4..)?;
    let is_unicode = short(info, 4)? & 0x10 != 0;
    let end = if is_unicode { 2 } else { 1 };
    let mut at = 18;
    let mut texts = Vec::new();
    for place in [8, 10, 12] {
        let length = usize::from(short(info, place)?);
        let bytes = info.get(at..at + length)?;
        texts.push(if is_unicode {
            from_utf16(bytes)
        } else {
            String::from_utf8_lossy(bytes).into_owned()
        });
        at += length + end;
    }
    let [domain, user, password] = texts.try_into().ok()?;
    Some(Event::Auth(Auth {
        method: "password",
        user: Some(user.into()),
        domain: (!domain.is_empty()).then(|| domain.into()),
        proof: if password.is_empty() {
            Proof::None
        } else {
            Proof::Password(password.into())
        },
        accepted: false,
    }))
}
