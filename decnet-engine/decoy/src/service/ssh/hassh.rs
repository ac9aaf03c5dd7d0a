//! The HASSH fingerprint of a client: the MD5 of its algorithm lists, as Salesforce published it. They are in the message
//! `SSH_MSG_KEXINIT` (RFC 4253, section 7.1), which is not encrypted.

use std::fmt::Write as _;

use md5::{Digest as _, Md5};

/// The maximum size of a packet (RFC 4253, section 6.1).
const PACKET_BYTES: usize = 35_000;

/// The bytes of all packets before the algorithm lists. Real clients send none.
const MOST: usize = 2 * PACKET_BYTES;

/// `SSH_MSG_KEXINIT`.
const KEXINIT: u8 = 20;

/// What the first packets of a visitor are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Start {
    /// The algorithm lists did not arrive yet.
    Partial,
    /// The fingerprint of the client.
    Hassh(String),
    /// These are no packets of SSH.
    Other,
}

/// Reads the packets after the identification.
pub(super) fn start(bytes: &[u8]) -> Start {
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if !(5..=PACKET_BYTES).contains(&length) {
            return Start::Other;
        }
        let Some((packet, after)) = after.split_at_checked(length) else {
            break;
        };
        let payload = packet.split_first().and_then(|(padding, content)| {
            let length = content.len().checked_sub(usize::from(*padding))?;
            content.get(..length)
        });
        match payload.and_then(<[u8]>::split_first) {
            Some((&KEXINIT, content)) => return hassh(content).map_or(Start::Other, Start::Hassh),
            Some(_) => rest = after,
            None => return Start::Other,
        }
    }
    if bytes.len() > MOST {
        Start::Other
    } else {
        Start::Partial
    }
}

/// Returns the fingerprint from the message without its type.
fn hassh(content: &[u8]) -> Option<String> {
    // The cookie.
    let mut rest = content.get(16..)?;
    let mut lists = Vec::new();
    for _ in 0..8 {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (list, after) = after.split_at_checked(length)?;
        lists.push(list);
        rest = after;
    }
    // Key exchange, and for the direction to the server: encryption, MAC, compression.
    let [kex, _, encryption, _, mac, _, compression, _] = lists[..] else {
        return None;
    };
    let digest = Md5::digest([kex, encryption, mac, compression].join(&b";"[..]));
    Some(digest.iter().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    }))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Writes a packet without encryption.
    pub(in crate::service::ssh) fn packet(payload: &[u8]) -> Vec<u8> {
        let padding = 4 + (8 - (payload.len() + 9) % 8) % 8;
        let length = u32::try_from(payload.len() + padding + 1).unwrap();
        let head = [&length.to_be_bytes()[..], &[u8::try_from(padding).unwrap()]].concat();
        [&head[..], payload, &vec![0; padding]].concat()
    }

    fn kexinit(lists: [&str; 10]) -> Vec<u8> {
        let mut payload = vec![KEXINIT];
        payload.extend([7; 16]);
        for list in lists {
            payload.extend(u32::try_from(list.len()).unwrap().to_be_bytes());
            payload.extend(list.as_bytes());
        }
        payload.extend([0; 5]);
        packet(&payload)
    }

    /// The lists of libssh2 1.7.0, which are the example in the published description.
    pub(in crate::service::ssh) fn libssh2() -> Vec<u8> {
        let kex = "diffie-hellman-group-exchange-sha256,diffie-hellman-group-exchange-sha1,\
            diffie-hellman-group14-sha1,diffie-hellman-group1-sha1";
        let encryption = "aes128-ctr,aes192-ctr,aes256-ctr,aes256-cbc,rijndael-cbc@lysator.liu.se,aes192-cbc,\
            aes128-cbc,blowfish-cbc,arcfour128,arcfour,cast128-cbc,3des-cbc";
        let mac = "hmac-sha2-256,hmac-sha2-512,hmac-sha1,hmac-sha1-96,hmac-md5,hmac-md5-96,hmac-ripemd160,\
            hmac-ripemd160@openssh.com";
        kexinit([
            kex,
            "ssh-rsa",
            encryption,
            "aes128-ctr",
            mac,
            "hmac-sha1",
            "none",
            "zlib",
            "",
            "",
        ])
    }

    #[test]
    fn the_fingerprint_is_the_published_one() {
        let Start::Hassh(hassh) = start(&libssh2()) else {
            panic!("a fingerprint")
        };
        assert_eq!(hassh, "a7a87fbe86774c2e40cc4a7ea2ab1b3c");
    }

    #[test]
    fn the_lists_may_come_in_pieces_and_after_other_packets() {
        let bytes = [packet(b"\x02ignored"), libssh2()].concat();
        for length in 0..bytes.len() {
            assert_eq!(start(&bytes[..length]), Start::Partial);
        }
        assert_eq!(start(&bytes), start(&libssh2()));
    }

    #[test]
    fn nonsense_is_recognised() {
        for bytes in [
            &b"GET / HTTP/1.0\r\n"[..],
            &[0; 8],
            &[0, 0, 0, 5, 9, 0, 0, 0, 0],
            &packet(&[KEXINIT; 30]),
        ] {
            assert_eq!(start(bytes), Start::Other, "{bytes:?}");
        }
        assert_eq!(start(&packet(b"\x02").repeat(10_000)), Start::Other);
    }
}
