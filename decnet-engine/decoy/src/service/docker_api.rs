//! The API of a Docker engine 20.10 (API 1.41) that anyone can use, which is a common way to take over hosts.
//!
//! Source: the description of the Docker Engine API 1.41. Containers that the visitor creates, and the commands in them, are
//! reported and seem to run, but nothing runs. Ids of created containers are checked by the decky's secret, so that a visitor can
//! use them over another connection.

mod content;
mod run;
mod stream;
mod terminal;

use jiff::Timestamp;

use self::terminal::Stream;
use super::{
    context::Context,
    dialogue::{Dialogue, Input, Turn},
    event::Event,
    wire::http::{Fault, Reader, Request, Server, Style, finish, go, quoted, report, serve},
};

/// The API version of the engine, and the oldest that it serves.
const API: (&str, &str) = ("1.41", "1.12");

/// Starts a conversation.
pub(super) fn new(context: &Context) -> Box<dyn Dialogue> {
    let fields = context.fields();
    let pin = fields.text("server_version").filter(|version| !version.is_empty());
    let pin = pin.or_else(|| context.persona().versions.get("docker_api").map(String::as_str));
    let usual = ["20.10.17", "20.10.21", "20.10.23", "20.10.24"];
    let listed = fields.lines("containers");
    let names = if fields.text("containers").is_some() {
        listed
    } else {
        let usual = [
            "web\nredis",
            "app\npostgres",
            "portainer\nregistry",
            "gitlab-runner",
            "nginx-proxy\napi\nmongo",
        ];
        context.pick("containers", &usual).lines().collect()
    };
    Box::new(Engine {
        context: context.clone(),
        reader: Reader::new(Style::Go, 64 * 1024 * 1024),
        version: pin.unwrap_or_else(|| context.pick("engine", &usual)).to_owned(),
        containers: names.into_iter().take(200).map(str::to_owned).collect(),
        created: Vec::new(),
        images: Vec::new(),
        count: 0,
        terminal: None,
    })
}

/// An engine.
struct Engine {
    context: Context,
    reader: Reader,
    version: String,
    /// Names of the containers that run.
    containers: Vec<String>,
    /// Ids and names of the containers that the visitor created over this connection.
    created: Vec<(String, String)>,
    /// The images that the visitor pulled over this connection.
    images: Vec<String>,
    /// The number of requests over this connection.
    count: u64,
    /// After an attach, the connection is this terminal.
    terminal: Option<Stream>,
}

/// An answer.
struct Answer {
    status: &'static str,
    kind: &'static str,
    body: Vec<u8>,
}

impl Answer {
    fn json(status: &'static str, body: impl Into<Vec<u8>>) -> Self {
        let mut body = body.into();
        body.push(b'\n');
        Self {
            status,
            kind: "application/json",
            body,
        }
    }

    fn error(status: &'static str, message: &str) -> Self {
        Self::json(status, format!("{{\"message\":{}}}", quoted(message)))
    }

    fn none() -> Self {
        Self {
            status: "204 No Content",
            kind: "",
            body: Vec::new(),
        }
    }
}

impl Engine {
    /// Returns the answer to a request, or none if the path is not known.
    fn route(&mut self, request: &Request, turn: &mut Turn) -> Option<Answer> {
        let path = request.path();
        let path = match path.strip_prefix("/v").and_then(|rest| rest.split_once('/')) {
            Some((version, rest)) if is_version(version) => {
                if let Some(answer) = check_version(version) {
                    return Some(answer);
                }
                format!("/{rest}")
            }
            _ => path,
        };
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let method = request.method.as_str();
        if method == "OPTIONS" {
            return Some(Answer {
                kind: "",
                ..Answer::none()
            });
        }
        let is_get = matches!(method, "GET" | "HEAD");
        let answer = match parts.as_slice() {
            ["_ping"] if is_get => Answer {
                status: "200 OK",
                kind: "text/plain; charset=utf-8",
                body: b"OK".to_vec(),
            },
            ["version"] if is_get => Answer::json("200 OK", self.show_version()),
            ["info"] if is_get => Answer::json("200 OK", self.show_info(turn.now())),
            ["containers", "json"] if is_get => Answer::json("200 OK", self.show_containers(turn.now())),
            ["images", "json"] if is_get => Answer::json("200 OK", self.show_images()),
            ["images", name, "json"] if is_get => self.show_image(name),
            ["images", host, name, "json"] if is_get => self.show_image(&format!("{host}/{name}")),
            ["images", "create"] if method == "POST" => self.pull(request),
            ["networks"] if is_get => Answer::json("200 OK", self.show_networks()),
            ["volumes"] if is_get => Answer::json("200 OK", "{\"Volumes\":[],\"Warnings\":null}"),
            ["swarm" | "nodes" | "services" | "tasks", ..] => Answer::error(
                "503 Service Unavailable",
                "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to \
                swarm and try again.",
            ),
            ["auth"] if method == "POST" => login(request, turn),
            ["build"] if method == "POST" => Answer::error(
                "500 Internal Server Error",
                "Cannot locate specified Dockerfile: Dockerfile",
            ),
            ["containers", "create"] if method == "POST" => self.create(request, turn),
            ["containers", id, action] => self.act(request, id, action, turn)?,
            ["containers", id] if method == "DELETE" => match self.find(id) {
                Some(_) => Answer::none(),
                None => missing(id),
            },
            ["exec", id, "start"] if method == "POST" => self.start_exec(request, id, turn),
            ["exec", id, "json"] if is_get => self.show_exec(id),
            ["exec", _, "resize"] if method == "POST" => Answer {
                status: "200 OK",
                ..Answer::none()
            },
            _ => return None,
        };
        Some(answer)
    }

    fn header_server(&self) -> String {
        format!("Docker/{} (linux)", self.version)
    }
}

/// Reports a login at a registry, which fails.
fn login(request: &Request, turn: &mut Turn) -> Answer {
    let login: serde_json::Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let text = |key: &str| login.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
    turn.report(Event::password(
        "registry",
        text("username").as_bytes(),
        text("password").as_bytes(),
        false,
    ));
    Answer::error(
        "500 Internal Server Error",
        "Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup registry-1.docker.io: Temporary failure in name resolution",
    )
}

fn missing(id: &str) -> Answer {
    Answer::error("404 Not Found", &format!("No such container: {id}"))
}

fn is_version(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// Refuses API versions that the engine does not serve.
fn check_version(version: &str) -> Option<Answer> {
    let number = |text: &str| -> (u32, u32) {
        let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
        (major.parse().unwrap_or(u32::MAX), minor.parse().unwrap_or(u32::MAX))
    };
    let text = if number(version) > number(API.0) {
        format!(
            "client version {version} is too new. Maximum supported API version is {}",
            API.0
        )
    } else if number(version) < number(API.1) {
        format!(
            "client version {version} is too old. Minimum supported API version is {}, please upgrade your client to a newer \
            version",
            API.1
        )
    } else {
        return None;
    };
    Some(Answer::error("400 Bad Request", &text))
}

impl Server for Engine {
    fn reader(&mut self) -> &mut Reader {
        &mut self.reader
    }

    fn answer(&mut self, request: &Request, turn: &mut Turn) {
        self.count = self.count.saturating_add(1);
        let is_ping = request.path().ends_with("/_ping");
        let server = self.header_server();
        let Some(answer) = self.route(request, turn) else {
            let body = b"{\"message\":\"page not found\"}\n";
            let headers = [("Content-Type", "application/json")];
            turn.send(go::answer(request, "404 Not Found", &headers, body, turn.now()));
            report(request, 404, false, turn);
            if !request.keeps_alive {
                turn.close();
            }
            return;
        };
        if answer.status.starts_with("101") {
            report(request, 101, false, turn);
            turn.send(answer.body);
            return;
        }
        let status = if request.method == "OPTIONS" {
            "200 OK"
        } else {
            answer.status
        };
        let mut headers = vec![("Api-Version", API.0)];
        if is_ping {
            headers.push(("Cache-Control", "no-cache, no-store, must-revalidate"));
        }
        if !answer.kind.is_empty() {
            headers.push(("Content-Type", answer.kind));
        }
        headers.extend([("Docker-Experimental", "false"), ("Ostype", "linux")]);
        if is_ping {
            headers.push(("Pragma", "no-cache"));
        }
        headers.push(("Server", &server));
        let body = if request.is_head() { &[] } else { answer.body.as_slice() };
        turn.send(go::answer(request, status, &headers, body, turn.now()));
        let code = status
            .get(..3)
            .and_then(|digits| digits.parse().ok())
            .unwrap_or_default();
        if request.path().ends_with("/auth") {
            // The body has the password, which was reported.
            let bodiless = Request {
                body: Vec::new(),
                ..request.clone()
            };
            report(&bodiless, code, false, turn);
        } else {
            report(request, code, false, turn);
        }
        if !go::keeps_alive(request, body) {
            turn.close();
        }
    }

    fn has_switched(&self) -> bool {
        self.terminal.is_some()
    }

    fn refusal(&self, fault: Fault, request: &Request, _now: Timestamp) -> (u16, Vec<u8>) {
        go::refusal(fault, request)
    }
}

impl Dialogue for Engine {
    fn receive(&mut self, input: &mut Input, turn: &mut Turn) {
        if self.terminal.is_none() {
            serve(self, input, turn);
        }
        if !turn.is_closed() && self.terminal.is_some() {
            self.type_lines(input, turn);
        }
    }

    fn finish(&mut self, input: &mut Input, turn: &mut Turn) {
        if let Some(terminal) = &mut self.terminal {
            let line = std::mem::take(&mut terminal.line);
            let line = line.trim_ascii();
            if !line.is_empty() {
                turn.report(Event::command(line));
            }
        }
        finish(self, input, turn);
    }

    fn unsecured(&mut self, input: &mut Input, turn: &mut Turn) {
        go::unsecured(input, turn);
    }
}

#[cfg(test)]
mod tests;
