//! Queries as BIND reads them.

use super::super::wire::dns::{Name, Reader, kind};

/// Bits of the second word of a message.
pub(super) const QR: u16 = 0x8000;
pub(super) const AA: u16 = 0x0400;
pub(super) const TC: u16 = 0x0200;
pub(super) const RD: u16 = 0x0100;
pub(super) const RA: u16 = 0x0080;
pub(super) const CD: u16 = 0x0010;
/// The opcode, where it is.
pub(super) const OPCODE: u16 = 0x7800;

/// The answer codes (RFC 1035, section 4.1.1; RFC 2136; RFC 6891).
pub(super) mod code {
    pub(crate) const NOERROR: u16 = 0;
    pub(crate) const FORMERR: u16 = 1;
    pub(crate) const SERVFAIL: u16 = 2;
    pub(crate) const NXDOMAIN: u16 = 3;
    pub(crate) const NOTIMP: u16 = 4;
    pub(crate) const REFUSED: u16 = 5;
    pub(crate) const NOTAUTH: u16 = 9;
    pub(crate) const BADVERS: u16 = 16;
}

/// The maximum number of records of a message. Queries have few: a signature, options, the changes of an update.
const RECORDS: u32 = 512;

/// A message that asks for something.
#[derive(Debug, Default)]
pub(super) struct Query {
    pub(super) id: u16,
    pub(super) flags: u16,
    /// Whether all records of the message could be read.
    pub(super) is_readable: bool,
    /// None if there is no question, or it cannot be read.
    pub(super) question: Option<Question>,
    pub(super) edns: Option<Edns>,
    /// Whether there are records in the authority section.
    pub(super) has_authority: bool,
    /// Whether the message breaks a rule, or cannot be read.
    pub(super) is_wrong: bool,
}

/// A question.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) name: Name,
    pub(super) kind: u16,
    pub(super) class: u16,
}

/// The OPT record of a message.
#[derive(Debug, Clone, Default)]
pub(super) struct Edns {
    pub(super) size: u16,
    pub(super) version: u8,
    pub(super) flags: u16,
    /// The visitor's half of a cookie (RFC 7873).
    pub(super) cookie: Option<[u8; 8]>,
}

impl Query {
    /// Reads a message. Returns none for a message without a whole header, and for an answer: they get no answer.
    pub(super) fn read(message: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(message);
        let (id, flags) = (reader.u16()?, reader.u16()?);
        let counts = [reader.u16()?, reader.u16()?, reader.u16()?, reader.u16()?];
        let mut query = Self {
            id,
            flags,
            has_authority: counts[2] > 0,
            ..Self::default()
        };
        query.is_readable = counts[0] <= 1 && query.read_body(&mut reader, counts).is_some();
        if !query.is_readable {
            // A question that could be read is repeated in the answer.
            query.edns = None;
            query.is_wrong = true;
        }
        (flags & QR == 0).then_some(query)
    }

    fn read_body(&mut self, reader: &mut Reader<'_>, counts: [u16; 4]) -> Option<()> {
        if counts[0] == 1 {
            self.question = Some(Question {
                name: reader.name()?,
                kind: reader.u16()?,
                class: reader.u16()?,
            });
        }
        let records: u32 = counts.iter().skip(1).map(|count| u32::from(*count)).sum();
        if records > RECORDS {
            return None;
        }
        for _ in 0..records {
            let _name = reader.name()?;
            let (kind, class, ttl, length) = (reader.u16()?, reader.u16()?, reader.u32()?, reader.u16()?);
            let data = reader.bytes(length.into())?;
            if kind == kind::OPT {
                if self.edns.is_some() {
                    (self.is_wrong, self.edns) = (true, None);
                    return Some(());
                }
                let [_, version, flags @ ..] = ttl.to_be_bytes();
                self.edns = Some(Edns {
                    size: class,
                    version,
                    flags: u16::from_be_bytes(flags),
                    cookie: None,
                });
                self.read_options(data)?;
            }
        }
        Some(())
    }

    fn read_options(&mut self, data: &[u8]) -> Option<()> {
        const COOKIE: u16 = 10;
        let mut reader = Reader::new(data);
        while reader.at() < data.len() {
            let (option, length) = (reader.u16()?, reader.u16()?);
            let value = reader.bytes(length.into())?;
            if option == COOKIE {
                let is_valid = matches!(value.len(), 8 | 16..=40);
                self.is_wrong |= !is_valid;
                let own = value.first_chunk().copied().filter(|_| is_valid);
                self.edns.as_mut()?.cookie = own;
            }
        }
        Some(())
    }

    /// Returns the opcode.
    pub(super) fn opcode(&self) -> u16 {
        (self.flags & OPCODE) >> 11
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_with_too_many_records_is_not_readable() {
        for (count, is_readable) in [(512_u16, true), (513, false)] {
            let head = [&b"\0\x01\0\0\0\0\0\0\0\0"[..], &count.to_be_bytes()].concat();
            let records = b"\0\0\x01\0\x01\0\0\0\0\0\0".repeat(count.into());
            let query = Query::read(&[head, records].concat()).unwrap();
            assert_eq!(query.is_readable, is_readable, "{count}");
        }
    }
}
