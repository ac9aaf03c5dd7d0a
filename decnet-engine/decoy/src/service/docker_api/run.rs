//! Containers and commands that seem to run.

use serde_json::Value;

use super::{
    Answer, Engine, missing,
    terminal::{SILENT, code_of},
};
use crate::service::{
    dialogue::Turn,
    event::Event,
    wire::http::{Request, hex, query_value, quoted},
};

/// The maximum number of containers and images that a connection remembers.
const REMEMBERED: usize = 64;

impl Engine {
    /// Creates a container, if its image is there.
    pub(super) fn create(&mut self, request: &Request, turn: &mut Turn) -> Answer {
        let is_json = request
            .text("content-type")
            .is_some_and(|kind| kind.starts_with("application/json"));
        if !is_json {
            return Answer::error(
                "400 Bad Request",
                "Content-Type specified () must be 'application/json'",
            );
        }
        let Ok(spec) = serde_json::from_slice::<Value>(&request.body) else {
            return Answer::error("400 Bad Request", "invalid character in request body");
        };
        let image = spec.get("Image").and_then(Value::as_str).unwrap_or_default();
        let line = command_of(&spec, &["Entrypoint", "Cmd"]);
        if let Some(line) = &line {
            turn.report(Event::command(line.as_str()));
        }
        if image.is_empty() {
            return Answer::error("400 Bad Request", "No command specified");
        }
        if !self.has_image(image) {
            return Answer::error("404 Not Found", &format!("No such image: {}", tagged(image)));
        }
        let name = query_value(request, "name").unwrap_or_default();
        if self.containers.contains(&name) {
            let id = self.id_of(&name);
            return Answer::error(
                "409 Conflict",
                &format!(
                    "Conflict. The container name \"/{name}\" is already in use by container \"{id}\". You have to remove (or \
                    rename) that container to be able to reuse that name."
                ),
            );
        }
        let code = code_of(&spec, line.as_deref().unwrap_or("sh"));
        let id = self.signed_id(&format!("container {} {image}", self.count), code);
        if self.created.len() < REMEMBERED {
            self.created.push((id.clone(), name));
        }
        Answer::json("201 Created", format!("{{\"Id\":\"{id}\",\"Warnings\":[]}}"))
    }

    /// Pretends to pull an image.
    pub(super) fn pull(&mut self, request: &Request) -> Answer {
        let image = query_value(request, "fromImage").unwrap_or_default();
        if image.is_empty() {
            return Answer::error("400 Bad Request", "invalid reference format");
        }
        let tag = query_value(request, "tag").filter(|tag| !tag.is_empty());
        let name = tag.map_or_else(|| tagged(&image), |tag| tagged(&format!("{image}:{tag}")));
        if self.images.len() < REMEMBERED {
            self.images.push(name.clone());
        }
        let digest: [u8; 32] = self.context.stable(&format!("digest {name}"));
        let layer: [u8; 6] = self.context.stable(&format!("layer {name}"));
        let (repository, tag) = name.rsplit_once(':').unwrap_or((&name, "latest"));
        let library = if repository.contains('/') {
            repository.to_owned()
        } else {
            format!("library/{repository}")
        };
        let line = |status: String| format!("{{\"status\":{}}}\r\n", quoted(&status));
        let layer = hex(&layer);
        let of_layer =
            |status: &str| format!("{{\"status\":\"{status}\",\"progressDetail\":{{}},\"id\":\"{layer}\"}}\r\n");
        let mut text = format!(
            "{{\"status\":{},\"id\":{}}}\r\n",
            quoted(&format!("Pulling from {library}")),
            quoted(tag)
        );
        for status in [
            "Pulling fs layer",
            "Verifying Checksum",
            "Download complete",
            "Pull complete",
        ] {
            text += &of_layer(status);
        }
        text += &line(format!("Digest: sha256:{}", hex(&digest)));
        text += &line(format!("Status: Downloaded newer image for {name}"));
        let mut answer = Answer::json("200 OK", text);
        answer.body.pop();
        answer
    }

    /// Acts on a container. Returns none for a path that does not exist.
    pub(super) fn act(&mut self, request: &Request, id: &str, action: &str, turn: &mut Turn) -> Option<Answer> {
        let is_post = request.method == "POST";
        let is_known = match action {
            "start" | "stop" | "restart" | "kill" | "pause" | "unpause" | "wait" | "attach" | "exec" | "resize"
            | "rename" | "update" => is_post,
            "json" | "logs" | "top" | "stats" | "changes" | "export" | "archive" => !is_post,
            _ => false,
        };
        let is_upload = action == "archive" && request.method == "PUT";
        if !is_known && !is_upload {
            return None;
        }
        let Some((id, name)) = self.find(id) else {
            return Some(missing(id));
        };
        Some(match action {
            "wait" => Answer::json("200 OK", "{\"Error\":null,\"StatusCode\":0}"),
            "attach" => {
                // A container of the decky has no terminal: its process is silent.
                let is_own = self.containers.contains(&name);
                let code = if is_own { SILENT } else { byte_at(&id, 46) };
                self.stream(request, id.get(..12).unwrap_or_default(), code, turn)
            }
            "exec" => self.create_exec(request, &id, turn),
            "json" => Answer::json("200 OK", self.show_container(&id, &name, turn.now())),
            "logs" | "archive" | "stats" | "export" | "resize" => Answer {
                status: "200 OK",
                ..Answer::none()
            },
            "top" => Answer::json(
                "200 OK",
                "{\"Processes\":[[\"root\",\"2314\",\"2291\",\"0\",\"07:12\",\"?\",\"00:00:00\",\"/bin/sh\"]],\
                \"Titles\":[\"UID\",\"PID\",\"PPID\",\"C\",\"STIME\",\"TTY\",\"TIME\",\"CMD\"]}",
            ),
            "changes" => Answer::json("200 OK", "null"),
            "update" => Answer::json("200 OK", "{\"Warnings\":null}"),
            _ => Answer::none(),
        })
    }

    fn create_exec(&self, request: &Request, container: &str, turn: &mut Turn) -> Answer {
        let spec: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let Some(line) = command_of(&spec, &["Cmd"]) else {
            return Answer::error("400 Bad Request", "No exec command specified");
        };
        turn.report(Event::command(line.as_str()));
        // The id remembers what the start sends.
        let code = code_of(&spec, &line);
        let id = self.signed_id(&format!("exec {container} {}", self.count), code);
        let marked = format!(
            "{}{code:02x}{}",
            container.get(..12).unwrap_or_default(),
            id.get(14..).unwrap_or_default()
        );
        Answer::json("201 Created", format!("{{\"Id\":\"{marked}\"}}"))
    }

    /// Starts a command.
    pub(super) fn start_exec(&mut self, request: &Request, id: &str, turn: &mut Turn) -> Answer {
        if !is_id(id) {
            return Answer::error("404 Not Found", &format!("No such exec instance: {id}"));
        }
        let spec: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        if spec.get("Detach").and_then(Value::as_bool).unwrap_or_default() {
            return Answer {
                status: "200 OK",
                ..Answer::none()
            };
        }
        let code = byte_at(id, 12);
        let host = id.get(..12).unwrap_or_default();
        self.stream(request, host, code, turn)
    }

    pub(super) fn show_exec(&self, id: &str) -> Answer {
        if !is_id(id) {
            return Answer::error("404 Not Found", &format!("No such exec instance: {id}"));
        }
        let container = self.signed_id("exec", SILENT);
        Answer::json(
            "200 OK",
            format!(
                "{{\"ID\":\"{id}\",\"Running\":false,\"ExitCode\":0,\"ProcessConfig\":{{\"tty\":false,\"entrypoint\":\"sh\",\
                \"arguments\":[],\"privileged\":false}},\"OpenStdin\":false,\"OpenStderr\":true,\"OpenStdout\":true,\
                \"CanRemove\":false,\"ContainerID\":\"{container}\",\"DetachKeys\":\"\",\"Pid\":0}}"
            ),
        )
    }

    /// Returns the id and the name of a container that exists.
    pub(super) fn find(&self, id: &str) -> Option<(String, String)> {
        let id = id.trim_start_matches('/');
        for (known, name) in &self.created {
            if name == id && !name.is_empty() || (id.len() >= 4 && known.starts_with(id)) {
                return Some((known.clone(), name.clone()));
            }
        }
        for name in &self.containers {
            let known = self.id_of(name);
            if name == id || (id.len() >= 4 && known.starts_with(id)) {
                return Some((known, name.clone()));
            }
        }
        // Created over another connection.
        let prefix = id.get(..48)?;
        (is_id(id) && self.sign(prefix) == id).then(|| (id.to_owned(), "relaxed_hopper".to_owned()))
    }

    /// Returns an id that [`find`](Self::find) knows again, with the code of its command.
    fn signed_id(&self, label: &str, code: u8) -> String {
        let mut random: [u8; 24] = self.context.fresh(label);
        random[23] = code;
        self.sign(&hex(&random))
    }

    fn sign(&self, prefix: &str) -> String {
        let mark: [u8; 8] = self.context.stable(&format!("created {prefix}"));
        format!("{prefix}{}", hex(&mark))
    }

    /// Returns whether an image is there. One of a user of the registry always is: a visitor that pulls it over another
    /// connection would not get on otherwise.
    fn has_image(&self, image: &str) -> bool {
        let image = tagged(image);
        image.contains('/') || self.image_names().contains(&image)
    }
}

/// Returns the byte that two hex digits of an id are.
fn byte_at(id: &str, at: usize) -> u8 {
    let digits = id.get(at..at + 2);
    digits
        .and_then(|digits| u8::from_str_radix(digits, 16).ok())
        .unwrap_or(SILENT)
}

/// Returns the command line in these fields, which are lists of words or one string.
fn command_of(spec: &Value, fields: &[&str]) -> Option<String> {
    let mut words: Vec<&str> = Vec::new();
    for field in fields {
        match spec.get(*field) {
            Some(Value::String(word)) => words.push(word),
            Some(Value::Array(list)) => words.extend(list.iter().filter_map(Value::as_str)),
            _ => {}
        }
    }
    (!words.is_empty()).then(|| words.join(" "))
}

/// Returns the short name of an image with its tag.
fn tagged(image: &str) -> String {
    let image = image.trim_start_matches("docker.io/").trim_start_matches("library/");
    let last = image.rsplit('/').next().unwrap_or_default();
    if last.contains(':') || image.contains('@') {
        image.to_owned()
    } else {
        format!("{image}:latest")
    }
}

fn is_id(id: &str) -> bool {
    id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}
