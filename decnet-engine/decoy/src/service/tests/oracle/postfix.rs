//! Postfix.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, chown},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    Step::{Finish, Part, Say},
    *,
};
use crate::service::{certificate::Certificate, secret::Secret};

/// Debian's `master.cf`, as far as the conversations need it.
const SERVICES: &str = "cleanup unix n - n - 0 cleanup\nrewrite unix - - n - - trivial-rewrite\nproxymap unix - - n - - proxymap\n\
                        anvil unix - - n - 1 anvil\nbounce unix - - n - 0 bounce\ntlsmgr unix - - n 1000? 1 tlsmgr\n\
                        qmgr unix n - n 300 1 qmgr\ndiscard unix - - n - - discard\npostlog unix-dgram n - n - 1 postlogd\n";

/// The user and group of the mail, which the machine need not have another use for, and the group of the queue.
const DAEMON: u32 = 1;
const GAMES: u32 = 60;

fn pem(name: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| str::from_utf8(line).unwrap())
        .collect();
    format!("-----BEGIN {name}-----\n{}\n-----END {name}-----\n", lines.join("\n"))
}

fn start() -> Option<Real> {
    let plan = real::Plan::new("usr/lib/postfix/sbin/master")?;
    let folder = |name: &str, user: u32, group: u32, mode: u32| {
        let path = plan.path(name);
        fs::create_dir_all(&path).unwrap();
        chown(&path, Some(user), Some(group)).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    chown(plan.path(""), Some(0), Some(0)).unwrap();
    folder("etc", 0, 0, 0o755);
    folder("spool", 0, 0, 0o755);
    folder("spool/pid", 0, 0, 0o755);
    folder("data", DAEMON, 0, 0o700);
    for queue in [
        "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace",
    ] {
        folder(&format!("spool/{queue}"), DAEMON, 0, 0o700);
    }
    folder("spool/maildrop", DAEMON, GAMES, 0o730);
    folder("spool/public", DAEMON, GAMES, 0o710);
    let certificate = Certificate::new("web-01.corp.local", &Secret::new([5; 32])).unwrap();
    let chain = pem("PRIVATE KEY", certificate.key.secret_der()) + &pem("CERTIFICATE", &certificate.chain);
    let (base, sbin) = (plan.path(""), real::path("usr/lib/postfix/sbin"));
    // As Debian's main.cf, in these folders.
    let config = format!(
        "compatibility_level=3.6\nqueue_directory={base}spool\ndata_directory={base}data\ndaemon_directory={sbin}\n\
         command_directory={commands}\nshlib_directory={libraries}\nmeta_directory={base}etc\nmail_owner=daemon\nsetgid_group=games\n\
         myhostname=web-01.corp.local\nmydestination=web-01.corp.local, corp.local, localhost\nmynetworks=127.255.0.0/16\n\
         alias_maps=\nalias_database=\nlocal_recipient_maps=\ninet_interfaces=127.0.0.1\ninet_protocols=ipv4\n\
         smtpd_banner=$myhostname ESMTP $mail_name (Debian/GNU)\nmaillog_file={base}log\nmaillog_file_prefixes={base}\n\
         import_environment=MAIL_CONFIG LD_LIBRARY_PATH TZ LANG=C\nsmtpd_tls_security_level=may\n\
         smtpd_tls_chain_files={base}etc/chain.pem\ndefault_transport=discard:\nlocal_transport=discard:\n\
         smtpd_relay_restrictions=permit_mynetworks permit_sasl_authenticated defer_unauth_destination\n",
        sbin = sbin.display(),
        commands = real::path("usr/sbin").display(),
        libraries = real::path("usr/lib/postfix").display(),
    );
    let services = format!("127.0.0.1:{} inet n - n - - smtpd\n{SERVICES}", plan.port);
    for (name, content) in [
        ("etc/main.cf", &config),
        ("etc/master.cf", &services),
        ("etc/chain.pem", &chain),
    ] {
        chown(plan.write(name, content), Some(0), Some(0)).unwrap();
    }
    for name in ["main.cf", "master.cf"] {
        fs::set_permissions(plan.path(&format!("etc/{name}")), fs::Permissions::from_mode(0o644)).unwrap();
    }
    let etc = plan.path("etc");
    Some(plan.start_as("usr/lib/postfix/sbin/master", &["-d", "-c", &etc], false))
}

/// Hides the ids of mails, and the logins, which Postfix leaves to another program.
fn mask(bytes: &[u8]) -> String {
    let shown = text(bytes).replace("250-AUTH PLAIN LOGIN\\r\\n", "");
    match shown.split_once("queued as ") {
        Some((before, after)) => format!(
            "{before}queued as (id){}",
            after.trim_start_matches(|c: char| c.is_ascii_alphanumeric())
        ),
        None => shown,
    }
}

#[test]
fn smtp_answers_as_postfix_does() {
    let Some(real) = start() else { return };
    let comparison = Comparison {
        service: "smtp",
        fields: json!({}),
        greets: true,
        at_once: 8,
        mask,
        on_purpose: &[(
            b"AUTH PLAIN\r\n",
            "Postfix leaves logins to another program, which the test does not start",
        )],
    };
    let long = [&[b'A'; 3000][..], b"\r\n"].concat();
    comparison.check(
        &real,
        &[
            &[Part(b"EH"), Part(b"LO"), Say(b" me\r\n"), Say(b"QUIT\r\n")],
            &[
                Say(b"EHLO\r\n"),
                Say(b"HELO\r\n"),
                Say(b"HELO me\r\n"),
                Say(b"EHLO a b\r\n"),
                Say(b"helo x\n"),
            ],
            &[
                Say(b"HELP\r\n"),
                Say(b"FOO\r\n"),
                Say(b"NOOP\r\n"),
                Say(b"RSET\r\n"),
                Say(b"RSET x\r\n"),
                Say(b"DATA\r\n"),
            ],
            &[Say(b"\"\r\n")],
            &[Say(b"GET / HTTP/1.0\r\n")],
            &[Say(b"CONNECT a:25 HTTP/1.0\r\n")],
            &[Say(b"Subject: x\r\n")],
            &[Say(b"\r\n"), Say(b" \r\n"), Say(b".\r\n")],
            &[
                Say(b"VRFY root\r\n"),
                Say(b"VRFY\r\n"),
                Say(b"EXPN root\r\n"),
                Say(b"ETRN x\r\n"),
                Say(b"ETRN\r\n"),
            ],
            &[
                Say(b"MAIL FROM:<a@b.org>\r\n"),
                Say(b"RCPT TO:<root@corp.local>\r\n"),
                Say(b"EHLO me\r\n"),
                Say(b"RCPT TO:<a@b.org>\r\n"),
            ],
            &[
                Say(b"EHLO me\r\n"),
                Say(b"MAIL\r\n"),
                Say(b"MAIL a\r\n"),
                Say(b"MAIL FROM:\r\n"),
                Say(b"MAIL FROM:a@b.org FOO=1\r\n"),
                Say(b"MAIL FROM:<a@b.org> SIZE=99999999\r\n"),
                Say(b"MAIL FROM:<a@b.org>\r\n"),
                Say(b"MAIL FROM:<a@b.org>\r\n"),
                Say(b"DATA\r\n"),
            ],
            &[
                Say(b"EHLO me\r\n"),
                Say(b"MAIL FROM:<>\r\n"),
                Say(b"RCPT\r\n"),
                Say(b"RCPT TO:<x@y.org>\r\n"),
                Say(b"RCPT TO:<a b>\r\n"),
                Say(b"RCPT TO:<>\r\n"),
                Say(b"RCPT TO:<root@corp.local>\r\n"),
                Say(b"DATA x\r\n"),
                Say(b"DATA\r\n"),
                Part(b"Subject: x\r\n\r\nhello\r\n"),
                Say(b".\r\n"),
                Say(b"QUIT x\r\n"),
            ],
            &[
                Say(b"EHLO me\r\n"),
                Say(b"MAIL FROM:<a@b.org>\r\nRCPT TO:<root@corp.local>\r\nRSET\r\nNOOP\r\n"),
                Finish,
            ],
            &[Say(b"EHLO me\r\n"), Say(b"AUTH PLAIN\r\n")],
            &[Say(b"STARTTLS x\r\n"), Say(b"STARTTLS\r\n")],
            &[Say(&long), Say(b"NOOP\r\n")],
            &[Say(b"BDAT 5\r\nhello"), Say(b"BDAT\r\n"), Say(b"BDAT x\r\n")],
            &[Say(b"\xff\xfe\r\n"), Say(b"NO\0OP\r\n")],
        ],
    );
}
