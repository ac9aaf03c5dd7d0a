//! DNS messages (RFC 1035, RFC 6891), which DNS, LLMNR and mDNS share.

use std::fmt;

/// The types of records that have a meaning here.
pub(crate) mod kind {
    pub(crate) const A: u16 = 1;
    pub(crate) const NS: u16 = 2;
    pub(crate) const CNAME: u16 = 5;
    pub(crate) const SOA: u16 = 6;
    pub(crate) const PTR: u16 = 12;
    pub(crate) const MX: u16 = 15;
    pub(crate) const TXT: u16 = 16;
    pub(crate) const AAAA: u16 = 28;
    pub(crate) const SRV: u16 = 33;
    pub(crate) const OPT: u16 = 41;
    pub(crate) const IXFR: u16 = 251;
    pub(crate) const AXFR: u16 = 252;
    pub(crate) const ANY: u16 = 255;
}

/// The name of a type in a zone file, or `TYPE123`.
pub(crate) fn kind_name(kind: u16) -> String {
    let name = match kind {
        kind::A => "A",
        kind::NS => "NS",
        kind::CNAME => "CNAME",
        kind::SOA => "SOA",
        kind::PTR => "PTR",
        kind::MX => "MX",
        kind::TXT => "TXT",
        kind::AAAA => "AAAA",
        kind::SRV => "SRV",
        65 => "HTTPS",
        kind::IXFR => "IXFR",
        kind::AXFR => "AXFR",
        kind::ANY => "ANY",
        _ => return format!("TYPE{kind}"),
    };
    name.into()
}

/// A domain name: its labels from the left.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Name(Vec<Vec<u8>>);

impl Name {
    /// Reads a name as it is in a zone file. A name without a dot at its end is relative to `origin`.
    pub(crate) fn parse(text: &str, origin: &Self) -> Option<Self> {
        if text == "@" {
            return Some(origin.clone());
        }
        let (text, rest) = match text.strip_suffix('.') {
            Some(absolute) => (absolute, &[][..]),
            None => (text, &origin.0[..]),
        };
        let own = text.split('.').filter(|_| !text.is_empty());
        let labels: Vec<Vec<u8>> = own
            .map(|label| label.as_bytes().to_vec())
            .chain(rest.to_vec())
            .collect();
        let name = Self(labels);
        let fits = name.0.iter().all(|label| (1..=63).contains(&label.len())) && name.wire_length() <= 255;
        fits.then_some(name)
    }

    /// Reads an absolute name; a name that is not valid is the root.
    pub(crate) fn absolute(text: &str) -> Self {
        Self::parse(text.trim_end_matches('.'), &Self::default()).unwrap_or_default()
    }

    fn wire_length(&self) -> usize {
        self.0.iter().map(|label| label.len() + 1).sum::<usize>() + 1
    }

    /// Returns whether the names are the same; upper and lower case are equal.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.is_under(other)
    }

    /// Returns whether the name is `other` or below it.
    pub(crate) fn is_under(&self, other: &Self) -> bool {
        let skipped = self.0.len().checked_sub(other.0.len());
        skipped.is_some_and(|skipped| {
            let own = self.0.iter().skip(skipped);
            own.zip(&other.0).all(|(one, two)| one.eq_ignore_ascii_case(two))
        })
    }

    /// Returns the name without its first label; none for the root.
    pub(crate) fn parent(&self) -> Option<Self> {
        Some(Self(self.0.get(1..)?.to_vec()))
    }

    /// Returns the name with one more label in front.
    pub(crate) fn child(&self, label: &str) -> Self {
        let first = [label.as_bytes().to_vec()];
        Self(first.into_iter().chain(self.0.iter().cloned()).collect())
    }

    /// Returns what names are sorted by: the labels from the right, in lower case.
    pub(crate) fn order(&self) -> Vec<Vec<u8>> {
        self.0.iter().rev().map(|label| label.to_ascii_lowercase()).collect()
    }

    /// Returns the name as bytes with dots between the labels.
    pub(crate) fn text(&self) -> Vec<u8> {
        if self.0.is_empty() {
            b".".to_vec()
        } else {
            self.0.join(&b'.')
        }
    }
}

/// Reads a message from its start.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// The maximum number of pointers in a name: that of its labels.
    const JUMPS: usize = 128;

    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self { message, at: 0 }
    }

    /// Returns the number of bytes that were read.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let bytes = self.message.get(self.at..end)?;
        self.at = end;
        Some(bytes)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.bytes(1)?.first().copied()
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.bytes(2)?.try_into().ok()?))
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.bytes(4)?.try_into().ok()?))
    }

    /// Reads a name. Each pointer must point before the last one, so that reading ends, and no real name has more than
    /// [`JUMPS`](Self::JUMPS).
    pub(crate) fn name(&mut self) -> Option<Name> {
        let mut name = Name::default();
        let mut jumped: Option<usize> = None;
        let mut lowest = self.at;
        let mut jumps = 0;
        loop {
            let length = self.u8()?;
            match length {
                0 => break,
                1..=63 => {
                    name.0.push(self.bytes(length.into())?.to_vec());
                    if name.wire_length() > 255 {
                        return None;
                    }
                }
                0xc0.. => {
                    let target = usize::from(u16::from_be_bytes([length & 0x3f, self.u8()?]));
                    jumped.get_or_insert(self.at);
                    jumps += 1;
                    if target >= lowest || jumps > Self::JUMPS {
                        return None;
                    }
                    (lowest, self.at) = (target, target);
                }
                _ => return None,
            }
        }
        self.at = jumped.unwrap_or(self.at);
        Some(name)
    }
}

/// The value of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    A([u8; 4]),
    Aaaa([u8; 16]),
    Cname(Name),
    Ns(Name),
    Ptr(Name),
    Mx(u16, Name),
    Txt(Vec<Vec<u8>>),
    /// Priority, weight, port and target.
    Srv([u16; 3], Name),
    /// The first server, the mailbox, and serial, refresh, retry, expire and minimum.
    Soa(Name, Name, [u32; 5]),
}

impl Data {
    /// Returns the type.
    pub(crate) fn kind(&self) -> u16 {
        match self {
            Self::A(_) => kind::A,
            Self::Aaaa(_) => kind::AAAA,
            Self::Cname(_) => kind::CNAME,
            Self::Ns(_) => kind::NS,
            Self::Ptr(_) => kind::PTR,
            Self::Mx(..) => kind::MX,
            Self::Txt(_) => kind::TXT,
            Self::Srv(..) => kind::SRV,
            Self::Soa(..) => kind::SOA,
        }
    }
}

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) name: Name,
    pub(crate) class: u16,
    pub(crate) ttl: u32,
    pub(crate) data: Data,
}

/// Writes a message and compresses names as BIND 9.18 does: only a whole name or the name without its first label can be a
/// pointer, to the newest name that is the same to the letter.
#[derive(Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    names: Vec<(Vec<Vec<u8>>, u16)>,
}

impl Writer {
    pub(crate) fn u16(&mut self, number: u16) {
        self.bytes.extend(number.to_be_bytes());
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    /// Writes a name. Only compressed names can end in a pointer, but all can be pointed to.
    pub(crate) fn name(&mut self, name: &Name, is_compressed: bool) {
        const COMPRESSED: usize = 2;
        for (first, label) in name.0.iter().enumerate() {
            if first < COMPRESSED {
                let suffix = name.0.get(first..).unwrap_or_default();
                let known = self.names.iter().rev().find(|(labels, _)| labels == suffix);
                if let Some((_, at)) = known.filter(|_| is_compressed) {
                    return self.u16(0xc000 | *at);
                }
                if let Ok(at @ ..0x4000) = u16::try_from(self.bytes.len()) {
                    self.names.push((suffix.to_vec(), at));
                }
            }
            self.bytes.push(u8::try_from(label.len()).unwrap_or(63));
            self.bytes.extend(label);
        }
        self.bytes.push(0);
    }

    pub(crate) fn record(&mut self, record: &Record) {
        self.name(&record.name, true);
        self.u16(record.data.kind());
        self.u16(record.class);
        self.raw(&record.ttl.to_be_bytes());
        let length_at = self.bytes.len();
        self.u16(0);
        match &record.data {
            Data::A(address) => self.raw(address),
            Data::Aaaa(address) => self.raw(address),
            Data::Cname(name) | Data::Ns(name) | Data::Ptr(name) => self.name(name, true),
            Data::Mx(preference, name) => {
                self.u16(*preference);
                self.name(name, true);
            }
            Data::Txt(texts) => {
                for text in texts {
                    let text = text.get(..255).unwrap_or(text);
                    self.raw(&[u8::try_from(text.len()).unwrap_or(255)]);
                    self.raw(text);
                }
            }
            Data::Srv(numbers, target) => {
                for number in numbers {
                    self.u16(*number);
                }
                self.name(target, false);
            }
            Data::Soa(server, mailbox, numbers) => {
                self.name(server, true);
                self.name(mailbox, true);
                for number in numbers {
                    self.raw(&number.to_be_bytes());
                }
            }
        }
        let length = u16::try_from(self.bytes.len() - length_at - 2).unwrap_or(u16::MAX);
        self.bytes[length_at..length_at + 2].copy_from_slice(&length.to_be_bytes());
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_that_does_not_point_back_is_not_a_name() {
        for message in [
            &b"\xc0\x00"[..],
            b"\x01a\xc0\x00",
            b"\x01a\xc0\x02",
            b"\x3f",
            b"\x40a",
            b"",
            b"\x01a",
        ] {
            assert_eq!(Reader::new(message).name(), None, "{message:?}");
        }
        let mut reader = Reader::new(b"\x01b\0\x01a\xc0\0!");
        reader.bytes(3);
        assert_eq!(reader.name(), Some(Name::absolute("a.b")));
        assert_eq!(reader.u8(), Some(b'!'));
    }

    #[test]
    fn a_name_of_many_pointers_is_not_read() {
        // The end of a name, and pointers each to the one before it.
        let mut message = vec![0];
        for at in 0..129_u16 {
            message.extend((0xc000 | (2 * at).saturating_sub(1)).to_be_bytes());
        }
        let name_at = |at: usize| {
            let mut reader = Reader::new(&message);
            reader.bytes(at);
            reader.name()
        };
        assert_eq!(name_at(1 + 2 * 127), Some(Name::default()));
        assert_eq!(name_at(1 + 2 * 128), None);
    }

    #[test]
    fn names_longer_than_255_bytes_are_not_read() {
        let label = [&b"\x3f"[..], &[b'a'; 63]].concat();
        assert!(Reader::new(&[label.repeat(3), vec![0]].concat()).name().is_some());
        assert_eq!(Reader::new(&[label.repeat(4), vec![0]].concat()).name(), None);
        assert_eq!(Name::parse(&"a.".repeat(128), &Name::default()), None);
    }

    #[test]
    fn names_are_compressed_where_the_protocol_allows_it() {
        let mut writer = Writer::default();
        let target = Name::absolute("ns.a.b");
        for data in [Data::Mx(10, target.clone()), Data::Srv([1, 2, 3], target)] {
            writer.record(&Record {
                name: Name::absolute("a.b"),
                class: 1,
                ttl: 5,
                data,
            });
        }
        assert_eq!(
            writer.finish(),
            b"\x01a\x01b\0\0\x0f\0\x01\0\0\0\x05\0\x07\0\x0a\x02ns\xc0\0\
              \xc0\0\0\x21\0\x01\0\0\0\x05\0\x0e\0\x01\0\x02\0\x03\x02ns\x01a\x01b\0"
        );
    }
}
