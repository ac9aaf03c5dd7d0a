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
                record.decnet.input = Some(probe.input.into());
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
