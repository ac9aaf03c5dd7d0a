//! The switch for passwords in the log.

use serde_json::json;

use super::{
    changes::{Process, connected, tcp},
    *,
};

const PASSWORD: &str = "hunter2-x";

/// What visitors send to services, in which [`PASSWORD`] is `{}`.
const VISITS: [(&str, &[&str]); 9] = [
    ("ftp", &["USER bob\r\n", "PASS {}\r\n", "SITE PASS {}\r\n"]),
    ("pop3", &["USER bob\r\n", "PASS {}\r\n", "LIST\r\n", "PASS {}\r\n"]),
    ("imap", &["a LOGIN bob {}\r\n", "b LOGIN bob {}\r\n", "c SELECT {}\r\n"]),
    (
        "smtp",
        &[
            "EHLO x\r\n",
            "USER bob\r\n",
            "PASS {}\r\n",
            "AUTH PLAIN {plain}\r\n",
            "VRFY {}\r\n",
        ],
    ),
    (
        "redis",
        &[
            "AUTH {}\r\n",
            "AUTH bob {}\r\n",
            "CONFIG SET requirepass {}\r\n",
            "SET a {}\r\n",
        ],
    ),
    (
        "telnet",
        &["bob\r\n", "{}\r\n", "echo {}\r\n", "mysql -p{}\r\n", "exit\r\n"],
    ),
    (
        "http",
        &[
            "POST /login?password={} HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {basic}\r\nContent-Length: 24\r\n\r\n{\"password\":\"{}\"}",
        ],
    ),
    ("ssh", &["{}\r\n"]),
    ("own", &["PASS {}\r\n"]),
];

/// `\0bob\0hunter2-x` and `bob:hunter2-x` in base64.
const PLAIN: &str = "AGJvYgBodW50ZXIyLXg=";
const BASIC: &str = "Ym9iOmh1bnRlcjIteA==";

/// Serves all of these services in one process, and returns the log of a visit to each.
fn log(passwords: bool) -> String {
    let ports: Vec<u16> = VISITS.iter().map(|_| free()).collect();
    let services = VISITS.iter().zip(&ports).map(|((name, _), port)| BuiltinService {
        name: (*name).into(),
        listen: vec![tcp(*port)],
        fields: serde_json::from_value(json!({ "user": "bob", "password": PASSWORD })).unwrap(),
    });
    let state = ServiceState {
        services: services.collect(),
        passwords,
        ..state(Vec::new())
    };
    let process = Process::with(&state, ports[0]);
    for ((name, sent), port) in VISITS.iter().zip(&ports) {
        let mut visitor = connected(*port);
        visitor.set_nonblocking(true).unwrap();
        let mut heard = Vec::new();
        for text in *sent {
            let text = text
                .replace("{}", PASSWORD)
                .replace("{plain}", PLAIN)
                .replace("{basic}", BASIC);
            let before = (process.log.text().len(), heard.len());
            // A service may close early.
            let mut is_open = visitor.write_all(text.as_bytes()).is_ok();
            // It logs each message or answers it.
            while is_open && (process.log.text().len(), heard.len()) == before {
                let read = visitor.read_to_end(&mut heard);
                is_open = read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
                thread::sleep(Duration::from_millis(1));
            }
        }
        visitor.set_nonblocking(false).unwrap();
        let _ = visitor.shutdown(std::net::Shutdown::Write);
        let _ = visitor.read_to_end(&mut heard);
        let is_over = || {
            let ends = process.log.of(Action::SessionClose).into_iter();
            ends.filter_map(|record| record.service)
                .any(|service| service.name == *name)
        };
        while !is_over() {
            thread::sleep(Duration::from_millis(5));
        }
    }
    process.log.text()
}

#[test]
fn no_service_logs_a_password_that_must_be_hidden() {
    let shown = log(true);
    let is_logged = |name: &str| {
        let service = format!(r#""service":{{"name":"{name}"}}"#);
        shown
            .lines()
            .any(|line| line.contains(&service) && line.contains(PASSWORD))
    };
    for (name, _) in VISITS {
        assert!(is_logged(name), "{name} logs what it gets:\n{shown}");
    }
    let hidden = log(false);
    for line in hidden.lines() {
        assert!(
            !line.contains(PASSWORD) && !line.contains(PLAIN) && !line.contains(BASIC),
            "{line}"
        );
    }
    for rest in [r#""name":"bob""#, "auth.attempt", "echo ***"] {
        assert!(hidden.contains(rest), "{rest}:\n{hidden}");
    }
}
