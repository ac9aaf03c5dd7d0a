//! The exchange of identification lines (RFC 4253, section 4.2), as OpenSSH does it in `kex_exchange_identification`.

use tokio::io::{self, AsyncRead, AsyncReadExt as _};

use crate::{protocol::Os, service::context::Context};

/// The maximum length of a line, without its end.
const LINE_BYTES: usize = 8192;

/// What the visitor sent as identification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ident {
    /// An identification of version 2, without the line's end.
    Version2(Vec<u8>),
    /// An identification of another version.
    OtherVersion(Vec<u8>),
    /// The identification of a scanner that sshd closes the connection on.
    Scanner(Vec<u8>),
    /// Bytes that are not an identification.
    Invalid(Vec<u8>),
    /// The visitor closed the connection before the line ended.
    Closed(Vec<u8>),
}

impl Ident {
    /// Reads the visitor's line.
    pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let mut line = Vec::new();
        let mut is_ending = false;
        loop {
            // One byte at a time: what follows the line belongs to the key exchange.
            let mut byte = [0];
            if stream.read(&mut byte).await? == 0 {
                return Ok(Self::Closed(line));
            }
            match byte {
                [b'\n'] => return Ok(Self::parse(line)),
                [b'\r'] => is_ending = true,
                [other] => {
                    line.push(other);
                    if other == 0 || is_ending || line.len() > LINE_BYTES {
                        return Ok(Self::Invalid(line));
                    }
                }
            }
        }
    }

    fn parse(line: Vec<u8>) -> Self {
        let Some((major, minor, software)) = parts(&line) else {
            return Self::Invalid(line);
        };
        if major != 2 && (major, minor) != (1, 99) {
            return Self::OtherVersion(line);
        }
        // OpenSSH's table of peers with peculiarities has these two as scanners.
        if software.starts_with(b"Probe-") || software.starts_with(b"SSH_Version_Mapper") {
            return Self::Scanner(line);
        }
        Self::Version2(line)
    }
}

/// Returns the protocol's version and the name of the software.
fn parts(line: &[u8]) -> Option<(u32, u32, &[u8])> {
    let mut parts = line.strip_prefix(b"SSH-")?.splitn(2, |byte| *byte == b'-');
    let mut version = parts.next()?.splitn(2, |byte| *byte == b'.');
    let software = parts.next().filter(|software| !software.is_empty())?;
    let mut number = || str::from_utf8(version.next()?).ok()?.parse().ok();
    Some((number()?, number()?, software))
}

/// Returns the identification of the server, without the line's end.
pub(super) fn own(context: &Context) -> String {
    if let Some(banner) = context.fields().text("banner") {
        let line = banner.lines().next().unwrap_or_default().trim_end();
        if !line.is_empty() {
            return line.to_owned();
        }
    }
    if let Some(version) = context.persona().versions.get("ssh") {
        return if version.starts_with("SSH-") {
            version.clone()
        } else if version.starts_with(|first: char| first.is_ascii_digit()) {
            format!("SSH-2.0-OpenSSH_{version}")
        } else {
            format!("SSH-2.0-{version}")
        };
    }
    format!(
        "SSH-2.0-OpenSSH_{}",
        context.pick("ssh version", versions(context.persona().os))
    )
}

/// Returns versions that a system really has. Those of Debian and Ubuntu are packages of stable and security releases.
fn versions(os: Os) -> &'static [&'static str] {
    match os {
        Os::Debian11 => &["8.4p1 Debian-5+deb11u3", "8.4p1 Debian-5+deb11u5"],
        Os::Debian12 => &[
            "9.2p1 Debian-2+deb12u3",
            "9.2p1 Debian-2+deb12u5",
            "9.2p1 Debian-2+deb12u6",
            "9.2p1 Debian-2+deb12u7",
        ],
        Os::Ubuntu2204 => &[
            "8.9p1 Ubuntu-3ubuntu0.6",
            "8.9p1 Ubuntu-3ubuntu0.10",
            "8.9p1 Ubuntu-3ubuntu0.13",
        ],
        Os::Ubuntu2404 => &[
            "9.6p1 Ubuntu-3ubuntu13.5",
            "9.6p1 Ubuntu-3ubuntu13.8",
            "9.6p1 Ubuntu-3ubuntu13.11",
        ],
        Os::WindowsServer2016 | Os::Windows10 | Os::WindowsServer2022 => &["for_Windows_8.1", "for_Windows_9.5"],
        Os::WindowsServer2019 => &["for_Windows_7.7"],
        Os::Windows11 => &["for_Windows_8.6", "for_Windows_9.5"],
        // Devices build OpenSSH themselves, without the addition of a distribution.
        Os::EmbeddedLinux | Os::Printer | Os::Controller => &["7.4", "7.9", "8.4"],
        Os::NetworkDevice => &["7.5", "8.0", "8.8"],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        protocol::Protocol,
        service::testing::{context, context_on},
    };

    async fn read(bytes: &[u8]) -> Ident {
        Ident::read(&mut &bytes[..]).await.unwrap()
    }

    #[tokio::test]
    async fn lines_are_judged_as_sshd_does() {
        type Kind = fn(Vec<u8>) -> Ident;
        let cases: [(&[u8], Kind, &[u8]); 14] = [
            (b"SSH-2.0-Go\r\nrest", Ident::Version2, b"SSH-2.0-Go"),
            (b"SSH-2.0-Go\n", Ident::Version2, b"SSH-2.0-Go"),
            (b"SSH-1.99-Go x\r\n", Ident::Version2, b"SSH-1.99-Go x"),
            (b"SSH-2.5-Go\r\n", Ident::Version2, b"SSH-2.5-Go"),
            (b"SSH-1.5-Go\r\n", Ident::OtherVersion, b"SSH-1.5-Go"),
            (b"SSH-3.0-Go\r\n", Ident::OtherVersion, b"SSH-3.0-Go"),
            (b"SSH-2.0-Probe-1\r\n", Ident::Scanner, b"SSH-2.0-Probe-1"),
            (b"SSH-2.0\r\n", Ident::Invalid, b"SSH-2.0"),
            (b"SSH-2.0-\r\n", Ident::Invalid, b"SSH-2.0-"),
            (b"ssh-2.0-Go\r\n", Ident::Invalid, b"ssh-2.0-Go"),
            (b"GET / HTTP/1.0\r\n", Ident::Invalid, b"GET / HTTP/1.0"),
            (b"\r\n", Ident::Invalid, b""),
            (b"SSH-2.0-\0", Ident::Invalid, b"SSH-2.0-\0"),
            (b"SSH-2.0-a\rb", Ident::Invalid, b"SSH-2.0-ab"),
        ];
        for (bytes, kind, line) in cases {
            assert_eq!(read(bytes).await, kind(line.to_vec()));
        }
        assert_eq!(read(b"SSH-2.0-Go").await, Ident::Closed(b"SSH-2.0-Go".to_vec()));
    }

    #[tokio::test]
    async fn a_line_is_too_long_after_8192_bytes() {
        assert_eq!(read(&[b'A'; 8192]).await, Ident::Closed(vec![b'A'; 8192]));
        assert_eq!(read(&[b'A'; 9000]).await, Ident::Invalid(vec![b'A'; 8193]));
    }

    #[test]
    fn the_version_is_that_of_the_host_unless_the_maze_says_another() {
        let of = |os, fields| own(&context_on(os, "ssh", 22, Protocol::Tcp, fields));
        assert!(of(Os::Debian12, json!({})).starts_with("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u"));
        assert!(of(Os::Ubuntu2404, json!({})).starts_with("SSH-2.0-OpenSSH_9.6p1 Ubuntu-3ubuntu13."));
        assert_eq!(of(Os::WindowsServer2019, json!({})), "SSH-2.0-OpenSSH_for_Windows_7.7");
        assert_eq!(of(Os::Debian12, json!({"banner": "SSH-2.0-x\r\n"})), "SSH-2.0-x");
        let mut pinned = context("ssh", 22, Protocol::Tcp, json!({}));
        for (version, line) in [
            ("9.9p2", "SSH-2.0-OpenSSH_9.9p2"),
            ("dropbear_2022.83", "SSH-2.0-dropbear_2022.83"),
            ("SSH-2.0-libssh_0.9.6", "SSH-2.0-libssh_0.9.6"),
        ] {
            let service = std::sync::Arc::make_mut(&mut pinned.service);
            service.persona.versions.insert("ssh".into(), version.into());
            assert_eq!(own(&pinned), line);
        }
    }
}
