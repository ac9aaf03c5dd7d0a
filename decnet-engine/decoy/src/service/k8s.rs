//! The API server of Kubernetes 1.27, as kubeadm installs it: with TLS on port 6443 and without on port 8080.
//!
//! Source: the API reference of Kubernetes 1.27. Anonymous visitors see the version and the health only, unless the field
//! `anonymous` gives them all. A bearer token is a login attempt, and is refused.

mod answer;
mod content;
mod kinds;
mod resource;

use jiff::Timestamp;
use serde_json::Value;

use self::{answer::Answer, resource::Resource};
use super::{
    context::Context,
    dialogue::{Dialogue, Input, Turn},
    event::Event,
    wire::http::{
        Fault, Reader, Request, Server, Style, finish, form, go, hex, indented, query_value, quoted, report, serve,
    },
};

/// Starts a conversation.
pub(super) fn new(context: &Context) -> Box<dyn Dialogue> {
    let fields = context.fields();
    let pin = context.persona().versions.get("k8s").map(String::as_str);
    let version = fields
        .text("server_version")
        .filter(|version| !version.is_empty())
        .or(pin);
    let version = version.unwrap_or_else(|| context.pick("k8s", &["v1.27.1", "v1.27.2", "v1.27.3", "v1.27.4"]));
    let version = if version.starts_with('v') {
        version.to_owned()
    } else {
        format!("v{version}")
    };
    let mut namespaces: Vec<String> = ["default", "kube-node-lease", "kube-public", "kube-system"]
        .map(str::to_owned)
        .to_vec();
    if fields.text("namespaces").is_some() {
        namespaces.extend(fields.lines("namespaces").into_iter().take(200).map(str::to_owned));
    } else {
        let usual = [
            "production\nmonitoring",
            "apps\ningress-nginx",
            "prod\nstaging",
            "backend\nfrontend\nvault",
        ];
        namespaces.extend(context.pick("namespaces", &usual).lines().map(str::to_owned));
    }
    namespaces.sort();
    namespaces.dedup();
    Box::new(ApiServer {
        context: context.clone(),
        // The limit of the API server for the body of a request.
        reader: Reader::new(Style::Go, 3 * 1024 * 1024),
        version,
        is_open: fields.flag("anonymous").unwrap_or_default(),
        namespaces,
        requests: 0,
    })
}

/// An API server.
struct ApiServer {
    context: Context,
    reader: Reader,
    version: String,
    is_open: bool,
    namespaces: Vec<String>,
    requests: u64,
}

impl ApiServer {
    fn route(&self, request: &Request, turn: &mut Turn) -> Answer {
        if request.header("authorization").is_some() {
            return Answer::failure(401, "Unauthorized", "Unauthorized", None);
        }
        let path = request.path();
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let is_get = matches!(request.method.as_str(), "GET" | "HEAD");
        match parts.as_slice() {
            ["version"] if is_get => return self.show_version(),
            ["healthz" | "livez" | "readyz", ..] if is_get => return Answer::text(200, "ok"),
            _ => {}
        }
        let resource = Resource::of(&parts);
        if !self.is_open {
            if let Some(resource) = resource {
                return resource.forbidden(&request.method);
            }
            let verb = match request.method.as_str() {
                "HEAD" => "get".to_owned(),
                method => method.to_ascii_lowercase(),
            };
            let message = format!(
                "forbidden: User \"system:anonymous\" cannot {verb} path {}",
                quoted(&path)
            );
            return Answer::failure(403, "Forbidden", &message, Some(""));
        }
        match (parts.as_slice(), resource) {
            ([], _) => Answer::json(200, kinds::PATHS),
            (["api"], _) => Answer::json(200, self.show_api()),
            (["apis"], _) => Answer::json(200, kinds::groups()),
            (["api", "v1"], _) => Answer::json(200, kinds::RESOURCES),
            (_, Some(resource)) => self.of_resource(request, &resource, turn),
            _ => Answer::text(404, "404 page not found\n"),
        }
    }

    fn of_resource(&self, request: &Request, resource: &Resource<'_>, turn: &mut Turn) -> Answer {
        if let Some("exec" | "attach") = resource.part {
            let words = form(request.query()).into_iter().filter(|(name, _)| name == "command");
            let words: Vec<String> = words
                .map(|(_, word)| String::from_utf8_lossy(&word).into_owned())
                .collect();
            if !words.is_empty() {
                turn.report(Event::command(words.join(" ")));
            }
            return Answer::failure(400, "BadRequest", "Upgrade request required", None);
        }
        let is_namespace_known = resource
            .namespace
            .is_none_or(|name| self.namespaces.iter().any(|known| known == name));
        match (request.method.as_str(), resource.name) {
            ("GET" | "HEAD", None) if is_namespace_known => self.list(resource, turn.now()),
            ("GET" | "HEAD", None) => kinds::list(resource.kind, resource.group, &[]),
            ("GET" | "HEAD", Some(name)) => match self.find(resource, name, turn.now()) {
                Some(object) if resource.part.is_none() => Answer::json(200, object),
                Some(_) if resource.part == Some("log") => Answer::text(200, ""),
                _ => resource.missing(),
            },
            ("POST", None) => self.create(request, resource, turn),
            ("DELETE", Some(name)) if self.find(resource, name, turn.now()).is_some() => Answer::json(
                200,
                format!(
                    "{{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{{}},\"status\":\"Success\",\"details\":{{{},\
                    \"uid\":\"{}\"}}}}",
                    resource.details(),
                    self.uid(&format!("{} {name}", resource.kind))
                ),
            ),
            ("DELETE" | "PUT" | "PATCH", Some(_)) => resource.missing(),
            _ => Answer::failure(
                405,
                "MethodNotAllowed",
                "the server does not allow this method on the requested resource",
                Some(""),
            ),
        }
    }

    /// Reports the commands of a new object, and returns it with the members that the server adds.
    fn create(&self, request: &Request, resource: &Resource<'_>, turn: &mut Turn) -> Answer {
        let Ok(Value::Object(mut object)) = serde_json::from_slice::<Value>(&request.body) else {
            let message = "the object provided is unrecognized (must be of type JSON)";
            return Answer::failure(400, "BadRequest", message, None);
        };
        let mut commands = Vec::new();
        commands_in(&Value::Object(object.clone()), 0, &mut commands);
        for command in commands.into_iter().take(16) {
            turn.report(Event::command(command));
        }
        let time = turn.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let uid = self.uid(&format!("created {}", self.requests));
        let metadata = object
            .entry("metadata")
            .or_insert_with(|| Value::Object(serde_json::Map::default()));
        if let Value::Object(metadata) = metadata {
            if let Some(namespace) = resource.namespace {
                metadata.insert("namespace".into(), namespace.into());
            }
            metadata.insert("uid".into(), uid.into());
            metadata.insert("resourceVersion".into(), self.resource_version(turn.now()).into());
            metadata.insert("creationTimestamp".into(), time.into());
        }
        if resource.kind == "pods" {
            object.insert(
                "status".into(),
                serde_json::json!({"phase": "Pending", "qosClass": "BestEffort"}),
            );
        }
        Answer::json(201, Value::Object(object).to_string())
    }

    /// Returns a UUID of version 4 for a label.
    fn uid(&self, label: &str) -> String {
        uuid(self.context.stable(label))
    }
}

/// Collects the commands of the containers in an object.
fn commands_in(value: &Value, depth: usize, found: &mut Vec<String>) {
    if depth > 16 {
        return;
    }
    match value {
        Value::Object(members) => {
            let words = ["command", "args"]
                .iter()
                .filter_map(|key| members.get(*key)?.as_array());
            let words: Vec<&str> = words.flatten().filter_map(Value::as_str).collect();
            if !words.is_empty() {
                found.push(words.join(" "));
            }
            members
                .values()
                .for_each(|member| commands_in(member, depth + 1, found));
        }
        Value::Array(list) => list.iter().for_each(|member| commands_in(member, depth + 1, found)),
        _ => {}
    }
}

fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = hex(&bytes);
    let part = |start, end| digits.get(start..end).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

impl Server for ApiServer {
    fn reader(&mut self) -> &mut Reader {
        &mut self.reader
    }

    fn answer(&mut self, request: &Request, turn: &mut Turn) {
        self.requests = self.requests.saturating_add(1);
        let answer = self.route(request, turn);
        let agent = request.text("user-agent").unwrap_or_default();
        let is_pretty = query_value(request, "pretty").map_or_else(
            || {
                ["curl", "Wget", "Mozilla/5.0"]
                    .iter()
                    .any(|name| agent.starts_with(name))
            },
            |value| matches!(value.as_str(), "1" | "true"),
        );
        let body = match (answer.is_raw, is_pretty) {
            (true, _) => answer.body,
            (false, true) => indented(&answer.body, ": ", ""),
            (false, false) => answer.body + "\n",
        };
        let status = match answer.status {
            200 => "200 OK",
            201 => "201 Created",
            400 => "400 Bad Request",
            401 => "401 Unauthorized",
            403 => "403 Forbidden",
            404 => "404 Not Found",
            _ => "405 Method Not Allowed",
        };
        let audit = uuid(self.context.fresh(&format!("audit {}", self.requests)));
        let (schema, level) = (self.uid("flow schema"), self.uid("priority level"));
        let mut headers = vec![
            ("Audit-Id", audit.as_str()),
            ("Cache-Control", "no-cache, private"),
            ("Content-Type", answer.kind),
        ];
        if answer.status == 403 || answer.is_raw && answer.kind.starts_with("text") {
            headers.push(("X-Content-Type-Options", "nosniff"));
        }
        // A request without identity reaches no flow schema.
        if answer.status != 401 {
            headers.push(("X-Kubernetes-Pf-Flowschema-Uid", &schema));
            headers.push(("X-Kubernetes-Pf-Prioritylevel-Uid", &level));
        }
        let sent = if request.is_head() { &[] } else { body.as_bytes() };
        turn.send(go::answer(request, status, &headers, body.as_bytes(), turn.now()));
        report(request, answer.status, false, turn);
        if !go::keeps_alive(request, sent) {
            turn.close();
        }
    }

    fn refusal(&self, fault: Fault, request: &Request, _now: Timestamp) -> (u16, Vec<u8>) {
        go::refusal(fault, request)
    }
}

impl Dialogue for ApiServer {
    fn receive(&mut self, input: &mut Input, turn: &mut Turn) {
        serve(self, input, turn);
    }

    fn finish(&mut self, input: &mut Input, turn: &mut Turn) {
        finish(self, input, turn);
    }

    fn unsecured(&mut self, input: &mut Input, turn: &mut Turn) {
        go::unsecured(input, turn);
    }
}

#[cfg(test)]
mod tests;
