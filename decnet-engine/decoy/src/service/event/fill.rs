//! Writes an event into a line of the log.

use super::{Auth, Event, File, Fingerprint, Proof, Request, Text};
use crate::protocol::{
    Action, FileFields, FileHash, Http, HttpBody, HttpRequest, HttpResponse, Original, Outcome, Process, Record, Tls,
    TlsClient, User,
};

/// The services whose requests are those of HTTP if their target is a path.
const OF_HTTP: [&str; 6] = ["conpot", "docker_api", "elasticsearch", "http", "https", "k8s"];

impl Event {
    /// Returns the stable id.
    pub(crate) fn action(&self) -> Action {
        match self {
            Self::Auth(_) => Action::AuthAttempt,
            Self::Command(_) => Action::Command,
            Self::Request(_) => Action::Request,
            Self::File(_) => Action::File,
            Self::Fingerprint(_) => Action::ClientFingerprint,
            Self::Probe(_) => Action::Probe,
        }
    }

    /// Adds the event to the line of its conversation.
    pub(crate) fn fill(self, record: &mut Record) {
        match self {
            Self::Auth(auth) => auth.fill(record),
            Self::Command(command) => {
                record.process = Some(Process {
                    command_line: command.line.into(),
                });
            }
            Self::Request(request) => request.fill(record),
            Self::File(file) => file.fill(record),
            Self::Fingerprint(fingerprint) => fingerprint.fill(record),
            Self::Probe(probe) => {
                record.decnet.probe = Some(probe.what.into());
                record.decnet.input = probe.input.map(Into::into);
            }
        }
    }
}

impl Auth {
    fn fill(self, record: &mut Record) {
        record.event.outcome = Some(if self.accepted {
            Outcome::Success
        } else {
            Outcome::Failure
        });
        let (name, domain) = (self.user.map(String::from), self.domain.map(String::from));
        record.related.user.extend(name.clone());
        record.user = (name.is_some() || domain.is_some()).then_some(User { name, domain });
        record.decnet.method = Some(self.method.into());
        match self.proof {
            Proof::None => {}
            Proof::Password(password) => record.decnet.password = Some(password.into()),
            Proof::Hash(hash) => record.decnet.hash = Some(hash.into()),
            Proof::Key(key) => {
                record.related.hash.push(key.as_str().into());
                record.decnet.fingerprint = Some(key.into());
            }
        }
    }
}

impl Request {
    fn fill(self, record: &mut Record) {
        let service = record.service.as_ref().map_or("", |service| &service.name);
        let is_path = self
            .target
            .as_ref()
            .is_some_and(|target| target.as_str().starts_with('/'));
        record.user_agent = self.agent.map(|agent| Original { original: agent.into() });
        if OF_HTTP.contains(&service) && is_path {
            record.event.category.push("web".into());
            record.url = self.target.map(|target| Original {
                original: target.into(),
            });
            record.http = Some(Http {
                request: HttpRequest {
                    method: self.method.into(),
                    body: self.body.map(|body| HttpBody { content: body.into() }),
                },
                response: self.status.map(|status_code| HttpResponse { status_code }),
            });
        } else {
            record.decnet.operation = Some(self.method.into());
            record.decnet.target = self.target.map(Into::into);
            record.decnet.status = self.status;
            record.decnet.data = self.body.map(Into::into);
        }
    }
}

impl File {
    fn fill(self, record: &mut Record) {
        record.decnet.direction = Some(if self.is_upload { "upload" } else { "download" }.into());
        record.related.hash.extend(self.sha256.clone());
        record.file = Some(FileFields {
            name: self.name.into(),
            size: self.bytes,
            hash: self.sha256.map(|sha256| FileHash { sha256 }),
        });
    }
}

impl Fingerprint {
    fn fill(self, record: &mut Record) {
        let value: String = self.value.into();
        record.related.hash.push(value.clone());
        record.decnet.method = Some(self.method.into());
        if self.method == "ja4" {
            let server_name = self.server_name.map(Into::into);
            let client = TlsClient {
                server_name,
                ja4: value,
            };
            record.tls = Some(Tls { client });
        } else {
            record.decnet.fingerprint = Some(value);
        }
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        io::{self, Write},
        net::Ipv4Addr,
        sync::{Arc, Mutex},
        time::{Duration, Instant},
    };

    use serde_json::Value;

    use super::*;
    use crate::{
        journal::{Dropped, Journal},
        protocol::{EndReason, Protocol},
        service::{
            event::{Command, Probe},
            testing::context,
        },
    };

    /// The fields that lines of every kind have.
    const COMMON: [&str; 11] = [
        "@timestamp",
        "destination.",
        "event.action",
        "event.category",
        "event.kind",
        "event.sequence",
        "event.type",
        "host.name",
        "network.transport",
        "related.",
        "service.name",
    ];

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn text(text: &str) -> Text {
        text.into()
    }

    /// Returns events of every kind whose fields are all set.
    fn events() -> Vec<Event> {
        let auth = |proof| {
            Event::Auth(Auth {
                method: "password",
                user: Some(text("bob")),
                domain: Some(text("CORP")),
                proof,
                accepted: false,
            })
        };
        let request = |target: &str| {
            Event::Request(Request {
                method: "GET".into(),
                target: Some(text(target)),
                status: Some(404),
                agent: Some(text("curl/8")),
                body: Some(text("a=1")),
            })
        };
        let fingerprint = |method| {
            Event::Fingerprint(Fingerprint {
                method,
                value: "t13d".into(),
                server_name: Some(text("web")),
            })
        };
        vec![
            auth(Proof::Password("pw".into())),
            auth(Proof::Hash("$x$".into())),
            auth(Proof::Key("SHA256:x".into())),
            Event::Command(Command { line: "id".into() }),
            request("/x"),
            request("version.bind"),
            Event::File(File {
                name: "x".into(),
                is_upload: true,
                bytes: 1,
                sha256: Some("00".into()),
            }),
            fingerprint("ja4"),
            fingerprint("hassh"),
            Event::Probe(Probe {
                what: "not HTTP",
                input: Some("x".into()),
            }),
        ]
    }

    /// Writes events of every kind, and returns the lines.
    fn lines() -> Vec<Value> {
        let (log, now) = (Log::default(), Instant::now());
        let mut journal = Journal::new("web".into(), Box::new(log.clone()));
        let visit = context("http", 80, Protocol::Tcp, serde_json::json!({}))
            .session
            .visit();
        let mut entry = journal.open("http", visit, now);
        for event in events() {
            journal.report(&mut entry, event.action(), now, |record| event.fill(record));
        }
        for _ in 0..1000 {
            journal.report(&mut entry, Action::Command, now, |_| ());
        }
        journal.close(&entry, 7, EndReason::Closed, now);
        for _ in 0..100 {
            let mut entry = journal.open("http", visit, now);
            journal.report(&mut entry, Action::Command, now, |_| ());
            journal.close(&entry, 7, EndReason::Closed, now);
        }
        let dropped = Dropped {
            from: Ipv4Addr::new(10, 0, 0, 9),
            to: Ipv4Addr::new(192, 0, 2, 1),
            port: None,
        };
        journal.dropped(Some(dropped), 3);
        journal.finish(now + Duration::from_mins(1));
        let bytes = log.0.lock().unwrap().clone();
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
    }

    fn paths(value: &Value, prefix: &str, paths: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) if prefix != "decnet.left_out" && prefix != "decnet.summary" => {
                for (key, value) in map {
                    let separator = if prefix.is_empty() { "" } else { "." };
                    self::paths(value, &format!("{prefix}{separator}{key}"), paths);
                }
            }
            _ => {
                paths.insert(prefix.to_owned());
            }
        }
    }

    #[test]
    fn each_kind_of_line_has_exactly_the_documented_fields() {
        let lines = lines();
        for action in Action::ALL {
            let mut found = BTreeSet::new();
            let id = serde_json::to_value(action).unwrap();
            for line in lines.iter().filter(|line| line["event"]["action"] == id) {
                paths(line, "", &mut found);
            }
            assert!(!found.is_empty(), "{id} was not written");
            let is_common = |path: &str| {
                COMMON.iter().any(|common| path.starts_with(common))
                    || path.starts_with("source.")
                    || path.starts_with("threat.")
                    || path == "decnet.session"
            };
            found.retain(|path| !is_common(path));
            let documented = action.own_fields().iter().map(|field| (*field).to_owned());
            assert_eq!(found, documented.collect(), "{id}");
        }
    }

    #[test]
    fn the_readme_lists_the_events_of_the_code() {
        use std::fmt::Write as _;
        let mut table = String::from("| `event.action` | when | fields | technique |\n|---|---|---|---|\n");
        for action in Action::ALL {
            let id = serde_json::to_value(action).unwrap();
            let fields: Vec<String> = action.own_fields().iter().map(|field| format!("`{field}`")).collect();
            let technique = action
                .technique()
                .map_or(String::new(), |(id, name)| format!("{id} {name}"));
            let id = id.as_str().unwrap();
            let (meaning, fields) = (action.meaning(), fields.join(", "));
            writeln!(table, "| `{id}` | {meaning} | {fields} | {technique} |").unwrap();
        }
        let readme = include_str!("../../../README.md");
        assert!(readme.contains(&table), "the table in README.md must be:\n{table}");
    }
}
