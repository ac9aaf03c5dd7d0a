//! Visits of the web server, of the mail server and of the relay.

use super::{super::Visit, visit};

pub(super) const VISITS: &[Visit] = &[
    visit(
        "curl",
        ("web", "http"),
        "curl -sSi -u admin:letmein http://{web}/",
        "HTTP/1.1 401 Unauthorized\r\nServer: nginx/",
        &[
            (
                "auth.attempt",
                &[
                    ("decnet.method", "basic"),
                    ("user.name", "admin"),
                    ("decnet.password", "letmein"),
                ],
            ),
            (
                "request",
                &[
                    ("http.request.method", "GET"),
                    ("url.original", "/"),
                    ("user_agent.original", "curl/*"),
                ],
            ),
        ],
    ),
    visit(
        "curl",
        ("web", "https"),
        "curl -sSki https://{web}/login -d username=bob -d password=pw2",
        "HTTP/1.1 ",
        &[
            ("client.fingerprint", &[("tls.client.ja4", "t13*")]),
            (
                "auth.attempt",
                &[
                    ("decnet.method", "form"),
                    ("user.name", "bob"),
                    ("decnet.password", "pw2"),
                ],
            ),
            (
                "request",
                &[("http.request.method", "POST"), ("url.original", "/login")],
            ),
        ],
    ),
    visit(
        "sshpass",
        ("web", "ssh"),
        "sshpass -p wrong ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o NumberOfPasswordPrompts=1 root@{web} id",
        "Permission denied (publickey,password).",
        &[
            ("client.fingerprint", &[("decnet.method", "hassh")]),
            (
                "auth.attempt",
                &[
                    ("event.outcome", "failure"),
                    ("user.name", "root"),
                    ("decnet.password", "wrong"),
                ],
            ),
        ],
    ),
    visit(
        "sshpass",
        ("web", "ssh"),
        "sshpass -p hunter2 ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null root@{web} id",
        "uid=0(root)",
        &[
            (
                "auth.attempt",
                &[
                    ("event.outcome", "success"),
                    ("user.name", "root"),
                    ("decnet.password", "hunter2"),
                ],
            ),
            ("command", &[("process.command_line", "id")]),
        ],
    ),
    visit(
        "ssh",
        ("web", "ssh"),
        "ssh-keygen -q -t ed25519 -N '' -f key; ssh -i key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o BatchMode=yes git@{web}",
        "Permission denied (publickey,password).",
        &[(
            "auth.attempt",
            &[
                ("decnet.method", "publickey"),
                ("user.name", "git"),
                ("decnet.fingerprint", "SHA256:*"),
            ],
        )],
    ),
    visit(
        "lftp",
        ("web", "ftp"),
        "echo hello > f; lftp -u ftp,secret -e 'ls; put f -o up.txt; cat up.txt; bye' {web}",
        "hello",
        &[
            (
                "auth.attempt",
                &[
                    ("event.outcome", "success"),
                    ("user.name", "ftp"),
                    ("decnet.password", "secret"),
                ],
            ),
            ("command", &[("process.command_line", "LIST*")]),
            (
                "file",
                &[
                    ("decnet.direction", "upload"),
                    ("file.name", "/home/ftp/up.txt"),
                    ("file.size", "6"),
                ],
            ),
            (
                "file",
                &[("decnet.direction", "download"), ("file.name", "/home/ftp/up.txt")],
            ),
        ],
    ),
    visit(
        "curl",
        ("web", "ftp"),
        "curl -sS --user bob:bad ftp://{web}/",
        "Access denied: 530",
        &[(
            "auth.attempt",
            &[
                ("event.outcome", "failure"),
                ("user.name", "bob"),
                ("decnet.password", "bad"),
            ],
        )],
    ),
    visit(
        "telnet",
        ("web", "telnet"),
        "(sleep 1; echo admin; sleep 1; echo 12345; sleep 5) | telnet {web}",
        "Login incorrect",
        &[("auth.attempt", &[("user.name", "admin"), ("decnet.password", "12345")])],
    ),
    visit(
        "swaks",
        ("mail", "smtp"),
        "swaks --server {mail} --from a@x.org --to b@y.org --tls --auth LOGIN --auth-user a --auth-password b",
        "535 5.7.8 Error: authentication failed",
        &[
            (
                "auth.attempt",
                &[("decnet.method", "login"), ("user.name", "a"), ("decnet.password", "b")],
            ),
            ("client.fingerprint", &[("tls.client.ja4", "t13*")]),
        ],
    ),
    visit(
        "curl",
        ("mail", "smtp"),
        "echo hello | curl -sSk --ssl-reqd --user c:d --mail-from a@x.org --mail-rcpt b@y.org -T - smtp://{mail}:587",
        "Login denied",
        &[(
            "auth.attempt",
            &[("decnet.method", "plain"), ("user.name", "c"), ("decnet.password", "d")],
        )],
    ),
    visit(
        "swaks",
        ("relay", "smtp_relay"),
        "swaks --server {relay} --from a@x.org --to b@y.org --body 'pay now'",
        "250 2.0.0 Ok: queued as",
        &[
            (
                "request",
                &[
                    ("decnet.operation", "DATA"),
                    ("decnet.target", "b@y.org"),
                    ("decnet.status", "250"),
                ],
            ),
            ("file", &[("file.name", "mail from a@x.org")]),
        ],
    ),
    visit(
        "curl",
        ("mail", "pop3"),
        "curl -sS --user bob:bad pop3://{mail}",
        "Login denied",
        &[("auth.attempt", &[("user.name", "bob"), ("decnet.password", "bad")])],
    ),
    visit(
        "curl",
        ("mail", "pop3"),
        "curl -sSki --user bob:pw1 pop3s://{mail}; echo status $?",
        "status 0",
        &[(
            "auth.attempt",
            &[
                ("event.outcome", "success"),
                ("user.name", "bob"),
                ("decnet.password", "pw1"),
            ],
        )],
    ),
    visit(
        "curl",
        ("mail", "imap"),
        "curl -sSk --user bob:pw1 imaps://{mail}",
        "INBOX",
        &[(
            "auth.attempt",
            &[
                ("event.outcome", "success"),
                ("user.name", "bob"),
                ("decnet.password", "pw1"),
            ],
        )],
    ),
    visit(
        "curl",
        ("mail", "imap"),
        "curl -sSk --ssl-reqd --user eve:pw3 imap://{mail}",
        "Login denied",
        &[("auth.attempt", &[("user.name", "eve"), ("decnet.password", "pw3")])],
    ),
    visit(
        "dig",
        ("mail", "dns"),
        "dig +short @{mail} version.bind ch txt",
        "9.18.",
        &[(
            "request",
            &[
                ("decnet.operation", "CH TXT"),
                ("decnet.target", "version.bind"),
                ("decnet.status", "0"),
            ],
        )],
    ),
    visit(
        "dig",
        ("mail", "dns"),
        "dig @{mail} www.example.org aaaa",
        "status: REFUSED",
        &[(
            "request",
            &[
                ("decnet.operation", "AAAA"),
                ("decnet.target", "www.example.org"),
                ("decnet.status", "5"),
            ],
        )],
    ),
    visit(
        "snmpget",
        ("mail", "snmp"),
        "snmpget -v2c -c public {mail} 1.3.6.1.2.1.1.5.0",
        "\"mail\"",
        &[(
            "auth.attempt",
            &[("decnet.method", "community"), ("decnet.password", "public")],
        )],
    ),
    visit(
        "snmpget",
        ("mail", "snmp"),
        "snmpget -v3 -l authPriv -u boss -a SHA -A authpass1 -x AES -X privpass1 {mail} 1.3.6.1.2.1.1.5.0",
        "Unknown user name",
        &[("auth.attempt", &[("decnet.method", "usm"), ("user.name", "boss")])],
    ),
];
