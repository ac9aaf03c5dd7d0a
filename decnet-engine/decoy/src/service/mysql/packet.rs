//! Packets of the MySQL client/server protocol.

use crate::service::{dialogue::Input, wire::cursor::Cursor};

/// The client's flags that change the form of packets.
pub(super) const CONNECT_WITH_DB: u32 = 0x8;
pub(super) const PROTOCOL_41: u32 = 0x200;
pub(super) const SSL: u32 = 0x800;
const SECURE_CONNECTION: u32 = 0x8000;
pub(super) const PLUGIN_AUTH: u32 = 0x8_0000;
const CONNECT_ATTRS: u32 = 0x10_0000;
const LENENC_AUTH: u32 = 0x20_0000;
pub(super) const DEPRECATE_EOF: u32 = 0x100_0000;

/// The maximum length of a packet that is read.
const MOST: usize = 60 * 1024;

/// What came from the visitor.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packet {
    Incomplete,
    TooLong,
    Whole { sequence: u8, payload: Vec<u8> },
}

/// Takes the next packet from the input.
pub(super) fn next(input: &mut Input) -> Packet {
    let [low, middle, high, sequence, ..] = *input.bytes() else {
        return Packet::Incomplete;
    };
    let length = usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16;
    if length > MOST {
        return Packet::TooLong;
    }
    if input.bytes().len() < length + 4 {
        return Packet::Incomplete;
    }
    let mut payload = input.take(length + 4);
    payload.drain(..4);
    Packet::Whole { sequence, payload }
}

/// Puts a header before a payload.
pub(super) fn frame(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(0xff_ffff).to_le_bytes();
    [&length[..3], &[sequence], payload].concat()
}

/// A login.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) flags: u32,
    pub(super) user: Vec<u8>,
    pub(super) response: Vec<u8>,
    pub(super) database: Vec<u8>,
    pub(super) plugin: Vec<u8>,
    /// The attributes of the connection: names and values.
    pub(super) attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Reads a number of one to nine bytes.
fn lenenc(cursor: &mut Cursor) -> Option<usize> {
    let first = cursor.u8()?;
    let more = match first {
        0..=0xfa => return Some(first.into()),
        0xfc => 2,
        0xfd => 3,
        0xfe => 8,
        _ => return None,
    };
    let number = cursor
        .bytes(more)?
        .iter()
        .rev()
        .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    usize::try_from(number).ok()
}

fn lenenc_bytes<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let length = lenenc(cursor)?;
    cursor.bytes(length)
}

/// Reads a handshake response of protocol 4.1.
pub(super) fn login(payload: &[u8]) -> Option<Login> {
    let mut cursor = Cursor::new(payload);
    let flags = cursor.u32_le()?;
    cursor.bytes(4 + 1 + 23)?;
    let user = cursor.until_zero()?.to_vec();
    let response = if flags & LENENC_AUTH != 0 {
        lenenc_bytes(&mut cursor)?
    } else if flags & SECURE_CONNECTION != 0 {
        let length = cursor.u8()?;
        cursor.bytes(length.into())?
    } else {
        cursor.until_zero()?
    };
    let mut login = Login {
        flags,
        user,
        response: response.to_vec(),
        ..Login::default()
    };
    if flags & CONNECT_WITH_DB != 0 {
        // Old clients leave it out.
        login.database = cursor.until_zero().unwrap_or_default().to_vec();
    }
    if flags & PLUGIN_AUTH != 0 {
        login.plugin = cursor.until_zero().unwrap_or(cursor.rest()).to_vec();
    }
    if flags & CONNECT_ATTRS != 0
        && let Some(attributes) = lenenc_bytes(&mut cursor)
    {
        let mut cursor = Cursor::new(attributes);
        while login.attributes.len() < 32
            && let (Some(name), Some(value)) = (lenenc_bytes(&mut cursor), lenenc_bytes(&mut cursor))
        {
            login.attributes.push((name.to_vec(), value.to_vec()));
        }
    }
    Some(login)
}

/// Writes a string with its length before it.
pub(super) fn string(bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len();
    let mut written = match length {
        0..=250 => vec![u8::try_from(length).unwrap_or_default()],
        251..=0xffff => [&[0xfc], &u16::try_from(length).unwrap_or_default().to_le_bytes()[..]].concat(),
        _ => [&[0xfd], &u32::try_from(length).unwrap_or_default().to_le_bytes()[..3]].concat(),
    };
    written.extend(bytes);
    written
}

/// Returns the payload of an OK packet.
pub(super) fn ok(affected: u8) -> Vec<u8> {
    vec![0, affected, 0, 2, 0, 0, 0]
}

/// Returns the payload of an error.
pub(super) fn error(flags: u32, code: u16, state: &str, text: &str) -> Vec<u8> {
    let state = if flags & PROTOCOL_41 != 0 {
        format!("#{state}")
    } else {
        String::new()
    };
    [&[0xff], &code.to_le_bytes()[..], state.as_bytes(), text.as_bytes()].concat()
}

/// Returns the payloads of a table of text.
pub(super) fn table(flags: u32, columns: &[&str], rows: &[Vec<Option<String>>]) -> Vec<Vec<u8>> {
    let mut payloads = vec![vec![u8::try_from(columns.len()).unwrap_or(250)]];
    for column in columns {
        let mut definition = [
            string(b"def"),
            string(b""),
            string(b""),
            string(b""),
            string(column.as_bytes()),
            string(b""),
        ]
        .concat();
        // The length of what follows; utf8mb4; the maximum length; VAR_STRING; no flags; 31 decimals.
        definition.extend([0x0c, 0xff, 0, 0, 4, 0, 0, 0xfd, 0, 0, 0x1f, 0, 0]);
        payloads.push(definition);
    }
    let end = [0xfe, 0, 0, 2, 0];
    if flags & DEPRECATE_EOF == 0 {
        payloads.push(end.to_vec());
    }
    payloads.extend(rows.iter().map(|row| {
        row.iter()
            .flat_map(|value| value.as_ref().map_or(vec![0xfb], |value| string(value.as_bytes())))
            .collect()
    }));
    payloads.push(if flags & DEPRECATE_EOF == 0 {
        end.to_vec()
    } else {
        vec![0xfe, 0, 0, 2, 0, 0, 0]
    });
    payloads
}
