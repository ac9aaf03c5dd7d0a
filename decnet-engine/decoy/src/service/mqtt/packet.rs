//! Packets of MQTT (OASIS MQTT 3.1.1 and 5.0): their frame, fields and properties.

/// What is at the start of the input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// A part of a packet.
    Partial,
    /// A length of more than four bytes.
    Malformed,
    /// A packet that is longer than is kept.
    TooLong,
    /// A whole packet: the number of bytes of its header and of the rest.
    Whole(usize, usize),
}

/// The longest packet that is kept.
const MOST: usize = 60_000;

/// Finds the first packet.
pub(super) fn frame(bytes: &[u8]) -> Frame {
    let mut length = 0;
    for (at, byte) in bytes.iter().skip(1).enumerate() {
        if at == 4 {
            return Frame::Malformed;
        }
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            let header = at + 2;
            return match bytes.len().checked_sub(header) {
                _ if length > MOST => Frame::TooLong,
                Some(rest) if rest >= length => Frame::Whole(header, length),
                _ => Frame::Partial,
            };
        }
    }
    Frame::Partial
}

/// Writes a packet.
pub(super) fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut rest = body.len();
    loop {
        let low = u8::try_from(rest & 0x7f).unwrap_or_default();
        rest >>= 7;
        bytes.push(if rest > 0 { low | 0x80 } else { low });
        if rest == 0 {
            break;
        }
    }
    bytes.extend(body);
    bytes
}

/// Writes a string or binary data with its length.
pub(super) fn string(text: &[u8]) -> Vec<u8> {
    let text = text.get(..usize::from(u16::MAX)).unwrap_or(text);
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    [&length.to_be_bytes()[..], text].concat()
}

/// Reads the fields of a packet.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.bytes(1)?.first().copied()
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.bytes(2)?.try_into().ok()?))
    }

    /// Reads binary data.
    pub(super) fn data(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.bytes(length.into())
    }

    /// Reads a string: UTF-8 without NUL.
    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let data = self.data()?;
        let is_text = std::str::from_utf8(data).is_ok_and(|text| !text.contains('\0'));
        is_text.then_some(data)
    }

    fn number(&mut self) -> Option<usize> {
        let mut number = 0;
        for at in 0..4 {
            let byte = self.u8()?;
            number |= usize::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// Reads the properties of MQTT 5.
    pub(super) fn properties(&mut self) -> Option<Properties> {
        let length = self.number()?;
        let mut list = Self(self.bytes(length)?);
        let mut properties = Properties::default();
        while !list.0.is_empty() {
            match list.number()? {
                0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28..=0x2a => drop(list.u8()?),
                0x13 | 0x21 | 0x22 => drop(list.u16()?),
                0x23 => properties.topic_alias = Some(list.u16()?),
                0x02 | 0x11 | 0x18 | 0x27 => drop(list.bytes(4)?),
                0x03 | 0x08 | 0x12 | 0x1a | 0x1c | 0x1f => drop(list.string()?),
                0x09 | 0x16 => drop(list.data()?),
                0x15 => {
                    list.string()?;
                    properties.has_auth_method = true;
                }
                0x0b => drop(list.number()?),
                0x26 => drop((list.string()?, list.string()?)),
                _ => return None,
            }
        }
        Some(properties)
    }
}

/// The properties that change an answer.
#[derive(Debug, Default)]
pub(super) struct Properties {
    pub(super) topic_alias: Option<u16>,
    pub(super) has_auth_method: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_of_five_bytes_is_malformed() {
        assert_eq!(frame(b"\x10\xff\xff\xff\xff"), Frame::Partial);
        assert_eq!(frame(b"\x10\xff\xff\xff\xff\x01"), Frame::Malformed);
        assert_eq!(frame(b"\x10\xff\xff\xff\x7f"), Frame::TooLong);
        assert_eq!(frame(b"\xc0\0"), Frame::Whole(2, 0));
        assert_eq!(frame(&packet(0x30, &[0; 300])), Frame::Whole(3, 300));
    }
}
