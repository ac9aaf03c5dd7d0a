//! The TLS client hello (RFC 8446, section 4.1.2), and its JA4 fingerprint as `FoxIO` publishes it.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// The type of a record with handshake messages.
const HANDSHAKE: u8 = 22;

/// The type of a handshake message that is a client hello.
const CLIENT_HELLO: u8 = 1;

/// The maximum size of a record: 2^14 bytes.
const RECORD_BYTES: usize = 16 * 1024;

/// The maximum size of a client hello. Those of browsers with post-quantum keys have about 2 000 bytes.
const HELLO_BYTES: usize = 16 * 1024;

/// Extensions that have a meaning here.
mod extension {
    pub(super) const SERVER_NAME: u16 = 0;
    pub(super) const SIGNATURE_ALGORITHMS: u16 = 13;
    pub(super) const ALPN: u16 = 16;
    pub(super) const SUPPORTED_VERSIONS: u16 = 43;
}

/// A client hello. All lists are in the order of the message, with the values of GREASE (RFC 8701).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ClientHello {
    /// The version in the message itself.
    version: u16,
    ciphers: Vec<u16>,
    /// The types of the extensions.
    extensions: Vec<u16>,
    server_name: Option<String>,
    alpn: Vec<Vec<u8>>,
    signature_algorithms: Vec<u16>,
    /// The versions in the extension `supported_versions`.
    versions: Vec<u16>,
}

/// What the first bytes of a connection are.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Start {
    /// The client hello is not complete.
    Partial,
    /// It is complete.
    Whole(Box<ClientHello>),
    /// These bytes do not start a TLS connection.
    Other,
}

/// Returns whether the first bytes of a connection have the whole client hello, or none if they do not start a TLS connection.
pub(crate) fn is_whole(bytes: &[u8]) -> Option<bool> {
    match start(bytes) {
        Start::Partial => Some(false),
        Start::Whole(_) => Some(true),
        Start::Other => None,
    }
}

/// Reads the first bytes of a connection, which are records of TLS.
fn start(bytes: &[u8]) -> Start {
    let mut message = Vec::new();
    let mut rest = bytes;
    loop {
        // A header: the type, the version 3.x, and the length.
        let header = [HANDSHAKE, 3];
        if rest.iter().zip(header).any(|(byte, expected)| *byte != expected) {
            return Start::Other;
        }
        let Some((&[_, _, _, high, low], body)) = rest.split_first_chunk::<5>() else {
            return Start::Partial;
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length == 0 || length > RECORD_BYTES {
            return Start::Other;
        }
        let (fragment, after) = body.split_at(length.min(body.len()));
        message.extend_from_slice(fragment);
        if message.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
            return Start::Other;
        }
        if let Some((&[_, one, two, three], body)) = message.split_first_chunk::<4>() {
            let length = usize::try_from(u32::from_be_bytes([0, one, two, three])).unwrap_or(usize::MAX);
            if length > HELLO_BYTES {
                return Start::Other;
            }
            if let Some(body) = body.get(..length) {
                return match ClientHello::read(body) {
                    Some(hello) => Start::Whole(Box::new(hello)),
                    None => Start::Other,
                };
            }
        }
        if fragment.len() < length {
            return Start::Partial;
        }
        rest = after;
    }
}

impl ClientHello {
    /// Parses the first bytes of a connection. Returns none if the client hello is not whole, or if they are not TLS.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        match start(bytes) {
            Start::Whole(hello) => Some(*hello),
            Start::Partial | Start::Other => None,
        }
    }

    /// Returns the name of the server that the client asks for (RFC 6066, section 3).
    pub(crate) fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// Reads the body of the handshake message.
    fn read(body: &[u8]) -> Option<Self> {
        let mut hello = Self::default();
        let mut reader = Reader(body);
        hello.version = reader.number()?;
        reader.take(32)?;
        reader.short()?;
        hello.ciphers = numbers(reader.long()?);
        reader.short()?;
        // Clients of TLS 1.2 and before may send no extensions at all.
        let mut extensions = Reader(if reader.0.is_empty() { &[] } else { reader.long()? });
        while !extensions.0.is_empty() {
            let kind = extensions.number()?;
            let content = Reader(extensions.long()?);
            hello.extensions.push(kind);
            hello.extend(kind, content);
        }
        Some(hello)
    }

    /// Reads one extension. A malformed one counts as empty.
    fn extend(&mut self, kind: u16, mut content: Reader<'_>) {
        match kind {
            extension::SERVER_NAME => {
                let mut names = Reader(content.long().unwrap_or_default());
                // The type 0 is a host's name.
                if names.take(1) == Some(&[0]) {
                    let name = names.long().map(<[u8]>::to_vec);
                    self.server_name = name.and_then(|name| String::from_utf8(name).ok());
                }
            }
            extension::SIGNATURE_ALGORITHMS => {
                self.signature_algorithms = numbers(content.long().unwrap_or_default());
            }
            extension::ALPN => {
                let mut protocols = Reader(content.long().unwrap_or_default());
                while let Some(protocol) = protocols.short() {
                    self.alpn.push(protocol.to_vec());
                }
            }
            extension::SUPPORTED_VERSIONS => self.versions = numbers(content.short().unwrap_or_default()),
            _ => {}
        }
    }

    /// Returns the JA4 fingerprint of a client over TCP.
    pub(crate) fn ja4(&self) -> String {
        let mut ciphers = without_grease(&self.ciphers);
        let mut extensions = without_grease(&self.extensions);
        let signatures = without_grease(&self.signature_algorithms);
        let mut fingerprint = format!(
            "t{}{}{:02}{:02}{}_",
            self.version_code(),
            if extensions.contains(&extension::SERVER_NAME) {
                'd'
            } else {
                'i'
            },
            ciphers.len().min(99),
            extensions.len().min(99),
            self.alpn_code(),
        );
        ciphers.sort_unstable();
        fingerprint.push_str(&hash(&hex_list(&ciphers)));
        fingerprint.push('_');
        extensions.retain(|kind| ![extension::SERVER_NAME, extension::ALPN].contains(kind));
        extensions.sort_unstable();
        let mut list = hex_list(&extensions);
        if !list.is_empty() && !signatures.is_empty() {
            list.push('_');
            list.push_str(&hex_list(&signatures));
        }
        fingerprint.push_str(&hash(&list));
        fingerprint
    }

    fn version_code(&self) -> &'static str {
        let highest = without_grease(&self.versions).into_iter().max();
        match highest.unwrap_or(self.version) {
            0x0304 => "13",
            0x0303 => "12",
            0x0302 => "11",
            0x0301 => "10",
            0x0300 => "s3",
            0x0002 => "s2",
            _ => "00",
        }
    }

    /// Returns the first and last character of the first protocol, or of its hex digits if those are not alphanumeric.
    fn alpn_code(&self) -> String {
        let Some((first, last)) = self
            .alpn
            .first()
            .and_then(|protocol| Some((*protocol.first()?, *protocol.last()?)))
        else {
            return "00".into();
        };
        if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
            [char::from(first), char::from(last)].iter().collect()
        } else {
            format!("{:x}{:x}", first >> 4, last & 0xf)
        }
    }
}

/// Returns whether a value is one of those that clients send so that servers ignore unknown values.
fn is_grease(value: u16) -> bool {
    let [high, low] = value.to_be_bytes();
    high == low && low & 0xf == 0xa
}

fn without_grease(values: &[u16]) -> Vec<u16> {
    values.iter().copied().filter(|value| !is_grease(*value)).collect()
}

fn hex_list(values: &[u16]) -> String {
    let values: Vec<String> = values.iter().map(|value| format!("{value:04x}")).collect();
    values.join(",")
}

/// Returns the first 12 hex digits of the SHA-256 of a list, or zeros if it is empty.
fn hash(list: &str) -> String {
    let mut digits = String::new();
    if list.is_empty() {
        return "000000000000".into();
    }
    for byte in Sha256::digest(list.as_bytes()).iter().take(6) {
        let _ = write!(digits, "{byte:02x}");
    }
    digits
}

fn numbers(bytes: &[u8]) -> Vec<u16> {
    bytes
        .chunks_exact(2)
        .filter_map(|pair| Some(u16::from_be_bytes(pair.try_into().ok()?)))
        .collect()
}

/// The rest of a message.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    /// Reads a vector whose length has one byte.
    fn short(&mut self) -> Option<&'a [u8]> {
        let length = self.take(1)?.first().copied()?;
        self.take(length.into())
    }

    /// Reads a vector whose length has two bytes.
    fn long(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(length.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the published description, with GREASE values in all lists.
    fn example() -> ClientHello {
        ClientHello {
            version: 0x0303,
            ciphers: vec![
                0x0a0a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c,
                0x009d, 0x002f, 0x0035,
            ],
            extensions: vec![
                0x1a1a, 0x001b, 0x0000, 0x0033, 0x0010, 0x4469, 0x0017, 0x002d, 0x000d, 0x0005, 0x0023, 0x0012, 0x002b,
                0xff01, 0x000b, 0x000a, 0x0015, 0xfafa,
            ],
            server_name: Some("example.com".into()),
            alpn: vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            signature_algorithms: vec![0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601],
            versions: vec![0x2a2a, 0x0304, 0x0303],
        }
    }

    fn vector(width: usize, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [&length[4 - width..], content].concat()
    }

    fn list(values: &[u16]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_be_bytes()).collect()
    }

    /// Writes a client hello in records of at most `size` bytes.
    fn records(hello: &ClientHello, size: usize) -> Vec<u8> {
        let extensions = hello.extensions.iter().flat_map(|kind| {
            let content = match *kind {
                0 => vector(
                    2,
                    &[&[0], &vector(2, hello.server_name().unwrap().as_bytes())[..]].concat(),
                ),
                13 => vector(2, &list(&hello.signature_algorithms)),
                16 => {
                    let names: Vec<u8> = hello.alpn.iter().flat_map(|name| vector(1, name)).collect();
                    vector(2, &names)
                }
                43 => vector(1, &list(&hello.versions)),
                _ => Vec::new(),
            };
            [&kind.to_be_bytes()[..], &vector(2, &content)].concat()
        });
        let extensions: Vec<u8> = extensions.collect();
        let body = [
            &hello.version.to_be_bytes()[..],
            &[7; 32],
            &vector(1, &[8; 32]),
            &vector(2, &list(&hello.ciphers)),
            &[1, 0],
            &vector(2, &extensions),
        ]
        .concat();
        let message = [&[1][..], &vector(3, &body)].concat();
        let records = message
            .chunks(size)
            .flat_map(|part| [&[22, 3, 1][..], &vector(2, part)].concat());
        records.collect()
    }

    #[test]
    fn the_published_example_has_its_published_fingerprint() {
        assert_eq!(example().ja4(), "t13d1516h2_8daaf6152771_e5627efa2ab1");
        let mut hello = example();
        hello.signature_algorithms.clear();
        assert_eq!(hello.ja4(), "t13d1516h2_8daaf6152771_6d807ffa2a79");
    }

    #[test]
    fn an_empty_hello_has_zeros() {
        let hello = ClientHello {
            version: 0x0301,
            ..ClientHello::default()
        };
        assert_eq!(hello.ja4(), "t10i000000_000000000000_000000000000");
    }

    #[test]
    fn protocols_with_other_characters_are_shown_as_hex_digits() {
        for (protocol, code) in [
            (&b"h2"[..], "h2"),
            (b"http/1.1", "h1"),
            (b"h", "hh"),
            (b"", "00"),
            (b"\xab", "ab"),
            (b"\xab\xcd", "ad"),
            (b"\x30\xab", "3b"),
            (b"\x30\x31\xab\xcd", "3d"),
            (b"\x30\xab\xcd\x31", "01"),
        ] {
            let hello = ClientHello {
                alpn: vec![protocol.to_vec()],
                ..ClientHello::default()
            };
            assert_eq!(hello.alpn_code(), code, "{protocol:?}");
        }
    }

    #[test]
    fn a_hello_is_read_from_one_record_or_many() {
        let hello = example();
        for size in [16, 100, 16_000] {
            let bytes = records(&hello, size);
            for length in 0..bytes.len() {
                assert_eq!(is_whole(&bytes[..length]), Some(false), "{length} bytes");
            }
            assert_eq!(is_whole(&bytes), Some(true));
            assert_eq!(ClientHello::parse(&bytes), Some(hello.clone()));
        }
    }

    #[test]
    fn a_hello_without_extensions_is_read() {
        let bytes = b"\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x01\
            0123456789abcdef0123456789abcdef\x00\x00\x02\x00\x2f\x01\x00";
        let hello = ClientHello::parse(bytes).unwrap();
        assert_eq!(hello.ciphers, [0x2f]);
        assert_eq!(hello.ja4().split('_').next(), Some("t10i010000"));
    }

    #[test]
    fn other_protocols_are_recognised_at_the_first_bytes() {
        for bytes in [
            &b"GET / HTTP/1.1\r\n"[..],
            b"\x80",
            b"\x16\x02",
            b"\x16\x03\x01\x00\x00",
            b"\x16\x03\x01\xff\xff",
            b"\x16\x03\x01\x00\x05\x02",
            b"\x16\x03\x01\x00\x05\x01\xff\xff\xff",
        ] {
            assert_eq!(is_whole(bytes), None, "{bytes:?}");
            assert_eq!(ClientHello::parse(bytes), None);
        }
    }

    #[test]
    fn changed_bytes_never_panic() {
        let bytes = records(&example(), 16_000);
        for at in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut changed = bytes.clone();
                changed[at] = value;
                if let Some(hello) = ClientHello::parse(&changed) {
                    assert_eq!(hello.ja4().len(), 36);
                }
            }
        }
    }
}
