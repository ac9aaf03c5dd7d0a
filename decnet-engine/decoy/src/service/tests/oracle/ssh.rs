//! OpenSSH's `sshd`.

use super::{
    Step::{Finish, Part, Say},
    *,
};

/// Hides the version, and what follows the identification: the algorithms are those of a hardened server.
fn mask(bytes: &[u8]) -> String {
    let line = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let (banner, rest) = bytes.split_at(if bytes.starts_with(b"SSH-") { line } else { 0 });
    let banner = if banner.starts_with(b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u") && banner.ends_with(b"\r\n") {
        "(banner)".into()
    } else {
        text(banner)
    };
    // A packet without encryption: four bytes of length, one of padding, and the message: 20 is KEXINIT.
    let rest = if rest.get(5) == Some(&20) && rest.starts_with(&[0, 0]) {
        "(key exchange)".into()
    } else {
        text(rest)
    };
    banner + &rest
}

/// The message that ends a key exchange, before one started.
const NEW_KEYS: &[u8] = b"\0\0\0\x0c\x0a\x15\0\0\0\0\0\0\0\0\0\0";

#[test]
fn ssh_answers_as_sshd_does() {
    let Some(plan) = real::Plan::new("usr/sbin/sshd") else {
        return;
    };
    let key = russh::keys::PrivateKey::from(russh::keys::ssh_key::private::Ed25519Keypair::from_seed(&[3; 32]));
    let key = key.to_openssh(russh::keys::ssh_key::LineEnding::LF).unwrap();
    let key = format!("HostKey={}", plan.write("key", key.as_bytes()));
    let port = format!("Port={}", plan.port);
    let options = [
        &port,
        &key,
        "ListenAddress=127.0.0.1",
        "PidFile=none",
        "UsePAM=no",
        "MaxStartups=100",
    ];
    let mut arguments = vec!["-D", "-e", "-f", "/dev/null"];
    arguments.extend(options.iter().flat_map(|option| ["-o", option]));
    let real = plan.start("usr/sbin/sshd", &arguments);
    let comparison = Comparison {
        service: "ssh",
        fields: json!({}),
        greets: true,
        at_once: 8,
        mask,
        on_purpose: &[(
            NEW_KEYS,
            "sshd answers that it does not know the message; the library closes the connection",
        )],
    };
    let long = [b'A'; 9000];
    comparison.check(
        &real,
        &[
            &[Part(b"SSH-2.0-ha"), Part(b"lf"), Finish],
            &[Part(b"\r"), Say(b"\n")],
            &[Say(b"\n")],
            &[Say(b"\r\n")],
            &[Say(b"GET / HTTP/1.0\r\n\r\n")],
            &[Say(b"SSH-1.5-x\r\n")],
            &[Say(b"SSH-1.99-x\r\n")],
            &[Say(b"SSH-3.0-x\r\n")],
            &[Say(b"SSH-1337-OpenSSH_9.0\r\n")],
            &[Say(b"SSH-2.0\r\n")],
            &[Say(b"SSH-2.0-\r\n")],
            &[Say(b"SSH-2.0- \r\n")],
            &[Say(b"ssh-2.0-x\r\n")],
            &[Say(b" SSH-2.0-x\r\n")],
            &[Say(b"SSH-2.0-Probe-1\r\n")],
            &[Say(b"SSH-2.0-x\0\r\n")],
            &[Say(&long)],
            &[Say(b"SSH-2.0-Go\r\n"), Say(b"\n\n\n\n\n\n\n\n")],
            &[Say(b"SSH-2.0-Go\r\n"), Say(b"GET / HTTP/1.0\r\n\r\n")],
            &[Say(b"SSH-2.0-Go\r\n"), Say(NEW_KEYS)],
            &[Say(b"SSH-2.0-Go\r\n"), Part(b"\0\0\0"), Finish],
            &[Say(b"SSH-2.0-Go\n"), Finish],
        ],
    );
}
