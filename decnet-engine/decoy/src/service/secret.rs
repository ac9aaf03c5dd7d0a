//! Bytes that only this decky has, and what follows from them.

use std::fmt;

use hkdf::Hkdf;
use sha2::Sha256;

/// The source of keys and ids: 32 bytes. Derived bytes do not reveal it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret([u8; 32]);

impl Secret {
    /// Creates a secret of these bytes.
    pub(crate) fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Derives bytes for a use (HKDF-Expand of RFC 5869 with SHA-256). `BYTES` is at most 8 160.
    pub(crate) fn derive<const BYTES: usize>(&self, label: &str) -> [u8; BYTES] {
        let mut derived = [0; BYTES];
        let key = Hkdf::<Sha256>::from_prk(&self.0).expect("32 bytes are a key");
        key.expand(label.as_bytes(), &mut derived)
            .expect("not more than 8 160 bytes");
        derived
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_use_and_each_decky_has_its_own_bytes() {
        let (one, other) = (Secret::new([1; 32]), Secret::new([2; 32]));
        assert_eq!(one.derive::<48>("host key"), one.derive::<48>("host key"));
        assert_ne!(one.derive::<32>("host key"), one.derive::<32>("certificate"));
        assert_ne!(one.derive::<32>("host key"), other.derive::<32>("host key"));
        assert_eq!(one.derive::<48>("host key")[..16], one.derive::<16>("host key"));
    }

    #[test]
    fn derived_bytes_are_those_of_rfc_5869() {
        // Appendix A.3.
        let key = [
            0x19, 0xef, 0x24, 0xa3, 0x2c, 0x71, 0x7b, 0x16, 0x7f, 0x33, 0xa9, 0x1d, 0x6f, 0x64, 0x8b, 0xdf, 0x96, 0x59,
            0x67, 0x76, 0xaf, 0xdb, 0x63, 0x77, 0xac, 0x43, 0x4c, 0x1c, 0x29, 0x3c, 0xcb, 0x04,
        ];
        assert_eq!(
            Secret::new(key).derive::<16>(""),
            [
                0x8d, 0xa4, 0xe7, 0x75, 0xa5, 0x63, 0xc1, 0x8f, 0x71, 0x5f, 0x80, 0x2a, 0x06, 0x3c, 0x5a, 0x31
            ]
        );
    }
}
