//! BER (ITU-T X.690), as LDAP, SNMP and `CredSSP` use it: tags of one byte and definite lengths.
//!
//! Absent: indefinite lengths, tags above 30, REAL. They are errors, as they are in those protocols.

mod oid;
#[cfg(test)]
mod tests;

pub(crate) use self::oid::Oid;

/// Tags: the universal ones, and those of SNMP (RFC 2578, RFC 3416).
pub(crate) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const OCTETS: u8 = 0x04;
    #[cfg(test)]
    pub(crate) const NULL: u8 = 0x05;
    pub(crate) const OID: u8 = 0x06;
    pub(crate) const ENUMERATED: u8 = 0x0a;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;
    pub(crate) const COUNTER_32: u8 = 0x41;
    pub(crate) const GAUGE_32: u8 = 0x42;
    pub(crate) const TIME_TICKS: u8 = 0x43;

    /// Returns a context-specific tag. Its number is at most 30.
    pub(crate) const fn context(number: u8, is_constructed: bool) -> u8 {
        0x80 | ((is_constructed as u8) << 5) | (number & 0x1f)
    }
}

/// The maximum number of elements around an element.
const MOST_NESTED: u8 = 32;

/// The maximum number of parts of an [`Oid`] (RFC 2578, section 3.5).
const MOST_PARTS: usize = 128;

/// A fault in the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BerError {
    /// The bytes end inside an element.
    Truncated,
    /// A tag above 30.
    LongTag,
    /// An indefinite length, or one of more than 4 bytes.
    Length,
    /// An element has another tag than the expected one.
    Unexpected(u8),
    /// The content does not fit the type.
    Content(u8),
    /// The elements are nested too deep.
    Nested,
}

/// An element: a tag and its content.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element<'a> {
    /// The tag.
    pub(crate) tag: u8,
    /// The content.
    pub(crate) content: &'a [u8],
    depth: u8,
}

/// Reads elements one after another.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    depth: u8,
}

/// Returns the length of the first element of a stream with its tag and length bytes. It is none until those are there.
pub(crate) fn frame(bytes: &[u8]) -> Result<Option<usize>, BerError> {
    match header(bytes) {
        Ok((_, start, length)) => Ok(Some(start.saturating_add(length))),
        Err(BerError::Truncated) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the tag, the place of the content and its length.
fn header(bytes: &[u8]) -> Result<(u8, usize, usize), BerError> {
    let tag = *bytes.first().ok_or(BerError::Truncated)?;
    if tag & 0x1f == 0x1f {
        return Err(BerError::LongTag);
    }
    let first = *bytes.get(1).ok_or(BerError::Truncated)?;
    if first < 0x80 {
        return Ok((tag, 2, first.into()));
    }
    let count = usize::from(first & 0x7f);
    if count == 0 || count > 4 {
        return Err(BerError::Length);
    }
    let digits = bytes.get(2..2 + count).ok_or(BerError::Truncated)?;
    let length = digits.iter().fold(0_u32, |sum, digit| sum << 8 | u32::from(*digit));
    let length = usize::try_from(length).map_err(|_| BerError::Length)?;
    Ok((tag, 2 + count, length))
}

impl<'a> Reader<'a> {
    /// Reads the elements in `bytes`.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, depth: 0 }
    }

    /// Returns whether no element is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Returns the tag of the next element.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Reads an element with any tag.
    pub(crate) fn element(&mut self) -> Result<Element<'a>, BerError> {
        let (tag, start, length) = header(self.rest)?;
        let end = start.checked_add(length).ok_or(BerError::Length)?;
        let content = self.rest.get(start..end).ok_or(BerError::Truncated)?;
        self.rest = self.rest.get(end..).unwrap_or_default();
        Ok(Element {
            tag,
            content,
            depth: self.depth,
        })
    }

    /// Reads an element with this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Result<Element<'a>, BerError> {
        match self.peek() {
            Some(found) if found != tag => Err(BerError::Unexpected(found)),
            _ => self.element(),
        }
    }

    /// Reads an element with this tag, if it is the next one.
    pub(crate) fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, BerError> {
        if self.peek() == Some(tag) {
            self.element().map(Some)
        } else {
            Ok(None)
        }
    }

    /// Reads the elements inside an element with this tag.
    pub(crate) fn inside(&mut self, tag: u8) -> Result<Reader<'a>, BerError> {
        self.expect(tag)?.elements()
    }

    /// Reads the elements of a sequence.
    pub(crate) fn sequence(&mut self) -> Result<Reader<'a>, BerError> {
        self.inside(tag::SEQUENCE)
    }

    /// Reads an INTEGER.
    pub(crate) fn integer(&mut self) -> Result<i64, BerError> {
        self.expect(tag::INTEGER)?.integer()
    }

    /// Reads an OCTET STRING.
    pub(crate) fn octets(&mut self) -> Result<&'a [u8], BerError> {
        Ok(self.expect(tag::OCTETS)?.content)
    }

    /// Reads an OBJECT IDENTIFIER.
    pub(crate) fn oid(&mut self) -> Result<Oid, BerError> {
        self.expect(tag::OID)?.oid()
    }
}

impl<'a> Element<'a> {
    /// Returns the content as a number of two's complement, whatever the tag is.
    pub(crate) fn integer(&self) -> Result<i64, BerError> {
        let first = *self.content.first().ok_or(BerError::Content(self.tag))?;
        if self.content.len() > 8 {
            return Err(BerError::Content(self.tag));
        }
        let start = if first < 0x80 { 0 } else { -1 };
        Ok(self.content.iter().fold(start, |sum, byte| sum << 8 | i64::from(*byte)))
    }

    /// Returns the content as a number that is not negative, as SNMP's counters are, whatever the tag is.
    #[cfg(test)]
    pub(crate) fn unsigned(&self) -> Result<u64, BerError> {
        let digits = match self.content {
            [] | [0x80..=0xff, ..] => return Err(BerError::Content(self.tag)),
            [0, digits @ ..] | digits => digits,
        };
        if digits.len() > 8 {
            return Err(BerError::Content(self.tag));
        }
        Ok(digits.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    /// Returns the content as a truth value.
    pub(crate) fn boolean(&self) -> Result<bool, BerError> {
        match self.content {
            [byte] => Ok(*byte != 0),
            _ => Err(BerError::Content(self.tag)),
        }
    }

    /// Returns the content as an OBJECT IDENTIFIER.
    pub(crate) fn oid(&self) -> Result<Oid, BerError> {
        let fault = BerError::Content(self.tag);
        let mut parts = Vec::new();
        let mut part = 0_u32;
        let mut is_inside = false;
        for byte in self.content {
            if part > u32::MAX >> 7 || parts.len() >= MOST_PARTS {
                return Err(fault);
            }
            part = part << 7 | u32::from(byte & 0x7f);
            is_inside = *byte >= 0x80;
            if is_inside {
                continue;
            }
            if parts.is_empty() {
                let first = (part / 40).min(2);
                parts.push(first);
                part -= first * 40;
            }
            parts.push(part);
            part = 0;
        }
        if is_inside || parts.is_empty() {
            return Err(fault);
        }
        Ok(Oid::from(&parts[..]))
    }

    /// Returns a reader of the elements inside.
    pub(crate) fn elements(&self) -> Result<Reader<'a>, BerError> {
        if self.depth >= MOST_NESTED {
            return Err(BerError::Nested);
        }
        Ok(Reader {
            rest: self.content,
            depth: self.depth + 1,
        })
    }
}

/// Writes elements one after another.
#[derive(Debug, Clone, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    is_wide: bool,
}

impl Writer {
    /// Starts with no element.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Starts with no element. Lengths of constructed elements have 4 bytes, as Active Directory writes them.
    pub(crate) fn wide() -> Self {
        Self {
            is_wide: true,
            ..Self::default()
        }
    }

    /// Returns the bytes.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// Writes an element with this content.
    pub(crate) fn element(&mut self, tag: u8, content: &[u8]) -> &mut Self {
        self.bytes.push(tag);
        let length = content.len();
        let digits = length.to_be_bytes();
        let start = digits.iter().position(|digit| *digit != 0).unwrap_or(digits.len());
        let digits = digits.get(start..).unwrap_or_default();
        match u8::try_from(length) {
            _ if self.is_wide && tag & 0x20 != 0 => {
                self.bytes.push(0x84);
                let digits = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
                self.bytes.extend_from_slice(&digits);
            }
            Ok(length) if length < 0x80 => self.bytes.push(length),
            _ => {
                self.bytes.push(0x80 | u8::try_from(digits.len()).unwrap_or_default());
                self.bytes.extend_from_slice(digits);
            }
        }
        self.bytes.extend_from_slice(content);
        self
    }

    /// Writes an element that contains what `write` writes.
    pub(crate) fn inside(&mut self, tag: u8, write: impl FnOnce(&mut Writer)) -> &mut Self {
        let mut content = Self {
            bytes: Vec::new(),
            is_wide: self.is_wide,
        };
        write(&mut content);
        self.element(tag, &content.bytes)
    }

    /// Writes a sequence that contains what `write` writes.
    pub(crate) fn sequence(&mut self, write: impl FnOnce(&mut Writer)) -> &mut Self {
        self.inside(tag::SEQUENCE, write)
    }

    /// Writes a number of two's complement with this tag.
    pub(crate) fn number(&mut self, tag: u8, number: i64) -> &mut Self {
        let digits = number.to_be_bytes();
        let sign = if number < 0 { 0xff } else { 0 };
        let mut content = &digits[..];
        while let [first, second, ..] = content
            && *first == sign
            && (second ^ sign) < 0x80
        {
            content = &content[1..];
        }
        self.element(tag, content)
    }

    /// Writes a number that is not negative with this tag, as SNMP's counters are.
    pub(crate) fn unsigned(&mut self, tag: u8, number: u64) -> &mut Self {
        match i64::try_from(number) {
            Ok(number) => self.number(tag, number),
            Err(_) => self.element(tag, &[&[0][..], &number.to_be_bytes()].concat()),
        }
    }

    /// Writes an INTEGER.
    pub(crate) fn integer(&mut self, number: i64) -> &mut Self {
        self.number(tag::INTEGER, number)
    }

    /// Writes an OCTET STRING.
    pub(crate) fn octets(&mut self, octets: impl AsRef<[u8]>) -> &mut Self {
        self.element(tag::OCTETS, octets.as_ref())
    }

    /// Writes a BOOLEAN.
    #[cfg(test)]
    pub(crate) fn boolean(&mut self, is_true: bool) -> &mut Self {
        self.element(tag::BOOLEAN, &[if is_true { 0xff } else { 0 }])
    }

    /// Writes a NULL.
    #[cfg(test)]
    pub(crate) fn null(&mut self) -> &mut Self {
        self.element(tag::NULL, &[])
    }

    /// Writes an OBJECT IDENTIFIER.
    pub(crate) fn oid(&mut self, oid: &Oid) -> &mut Self {
        let (first, second, rest) = match oid.parts() {
            [] => (0, 0, &[][..]),
            [first] => (*first, 0, &[][..]),
            [first, second, rest @ ..] => (*first, *second, rest),
        };
        let mut content = Vec::new();
        let mut push = |part: u32| {
            for shift in [28, 21, 14, 7] {
                if part >> shift != 0 {
                    content.push(0x80 | u8::try_from((part >> shift) & 0x7f).unwrap_or_default());
                }
            }
            content.push(u8::try_from(part & 0x7f).unwrap_or_default());
        };
        push(first.saturating_mul(40).saturating_add(second));
        for part in rest {
            push(*part);
        }
        self.element(tag::OID, &content)
    }
}
