//! Binary fields of messages. Every read can fail, because each length is the visitor's.

/// Reads fields one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Returns the bytes that were not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(bytes)
    }

    fn array<const COUNT: usize>(&mut self) -> Option<[u8; COUNT]> {
        self.bytes(COUNT)?.try_into().ok()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u16_le(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u16_be(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32_le(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u32_be(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    /// Reads bytes up to a zero byte, which is not part of them.
    pub(crate) fn until_zero(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|byte| *byte == 0)?;
        let bytes = self.bytes(end)?;
        self.u8()?;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_order_and_never_beyond_the_end() {
        let mut cursor = Cursor::new(b"\x01\x02\x03\x04\x05\x06\x07user\0abc");
        assert_eq!(cursor.u8(), Some(1));
        assert_eq!(cursor.u16_le(), Some(0x0302));
        assert_eq!(cursor.u32_be(), Some(0x0405_0607));
        assert_eq!(cursor.until_zero(), Some(&b"user"[..]));
        assert_eq!(cursor.until_zero(), None);
        assert_eq!(cursor.bytes(4), None);
        assert_eq!(cursor.bytes(usize::MAX), None);
        assert_eq!(cursor.rest(), b"abc");
    }
}
