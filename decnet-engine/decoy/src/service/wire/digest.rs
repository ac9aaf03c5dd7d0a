//! The digests of files and mails in events.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::service::event::{Event, File, Text};

/// The digest of bytes that arrive in parts.
#[derive(Debug, Default)]
pub(crate) struct Digest {
    hash: Sha256,
    bytes: u64,
}

impl Digest {
    /// Adds bytes.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    }

    /// Returns the number of bytes so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the event for a file with these bytes.
    pub(crate) fn file(self, name: impl Into<Text>, is_upload: bool) -> Event {
        let mut sha256 = String::new();
        for byte in self.hash.finalize() {
            let _ = write!(sha256, "{byte:02x}");
        }
        Event::File(File {
            name: name.into(),
            is_upload,
            bytes: self.bytes,
            sha256: Some(sha256),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_parts_is_that_of_the_whole() {
        let mut digest = Digest::default();
        digest.add(b"a");
        digest.add(b"bc");
        // FIPS 180-2, appendix B.1.
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(
            digest.file("x", true),
            Event::File(File {
                name: "x".into(),
                is_upload: true,
                bytes: 3,
                sha256: Some(sha256.into())
            })
        );
    }
}
