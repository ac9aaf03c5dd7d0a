//! The method `mysql_native_password`.

use std::fmt::Write as _;

use sha1::{Digest as _, Sha1};

use crate::service::event::Text;

/// Returns bytes as hex digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// Returns a response in the form of hashcat's mode 11200.
pub(super) fn native_hash(scramble: &[u8], response: &[u8]) -> Text {
    Text::hash(&format!("$mysqlna${}*{}", hex(scramble), hex(response)))
}

/// Returns the response of `mysql_native_password`: SHA1(password) XOR SHA1(scramble, SHA1(SHA1(password))).
pub(super) fn native(password: &[u8], scramble: &[u8]) -> [u8; 20] {
    let once: [u8; 20] = Sha1::digest(password).into();
    let twice = Sha1::digest(once);
    let mask: [u8; 20] = Sha1::digest([scramble, &twice[..]].concat()).into();
    std::array::from_fn(|at| once[at] ^ mask[at])
}
