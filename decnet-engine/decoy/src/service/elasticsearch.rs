//! An Elasticsearch 7 node without security on port 9200.
//!
//! Source: the reference of Elasticsearch 7. Releases before 7.14 send no `X-elastic-product`; the default is one of them,
//! because scanners know their answers best. Searches find invented documents; changes are reported and acknowledged, but change
//! nothing.

mod cat;
mod content;
mod index;
mod pretty;

use jiff::Timestamp;

use self::content::Shown;
use super::{
    context::Context,
    dialogue::{Dialogue, Input, Turn},
    wire::http::{
        Fault, Reader, Request, Response, Server, Style, Version, finish, indented, query_value, quoted, report, serve,
    },
};

/// Starts a conversation.
pub(super) fn new(context: &Context) -> Box<dyn Dialogue> {
    Box::new(Node {
        // http.max_content_length.
        reader: Reader::new(Style::Netty, 100 * 1024 * 1024),
        shown: Shown::new(context),
    })
}

/// A node.
struct Node {
    reader: Reader,
    shown: Shown,
}

/// An answer: the status, whether it is JSON, and the body.
struct Answer {
    status: &'static str,
    is_json: bool,
    body: String,
    allow: Option<&'static str>,
}

impl Answer {
    fn json(body: impl Into<String>) -> Self {
        Self::new("200 OK", body)
    }

    fn new(status: &'static str, body: impl Into<String>) -> Self {
        Self {
            status,
            is_json: true,
            body: body.into(),
            allow: None,
        }
    }

    fn text(body: String) -> Self {
        Self {
            status: "200 OK",
            is_json: false,
            body,
            allow: None,
        }
    }

    /// An error with its type, its reason and more members that both places repeat.
    fn error(status: &'static str, kind: &str, reason: &str, more: &str) -> Self {
        let error = format!("\"type\":\"{kind}\",\"reason\":{}{more}", quoted(reason));
        let code = status.get(..3).unwrap_or_default();
        let body = format!("{{\"error\":{{\"root_cause\":[{{{error}}}],{error}}},\"status\":{code}}}");
        Self::new(status, body)
    }

    fn no_index(name: &str) -> Self {
        let quoted = quoted(name);
        Self::error(
            "404 Not Found",
            "index_not_found_exception",
            &format!("no such index [{name}]"),
            &format!(
                ",\"resource.type\":\"index_or_alias\",\"resource.id\":{quoted},\"index_uuid\":\"_na_\",\"index\":{quoted}"
            ),
        )
    }

    fn no_handler(request: &Request) -> Self {
        let target = String::from_utf8_lossy(&request.target);
        let text = format!("no handler found for uri [{target}] and method [{}]", request.method);
        Self::new("400 Bad Request", format!("{{\"error\":{}}}", quoted(&text)))
    }

    fn wrong_method(request: &Request, allowed: &'static str) -> Self {
        let target = String::from_utf8_lossy(&request.target);
        let text = format!(
            "Incorrect HTTP method for uri [{target}] and method [{}], allowed: [{}]",
            request.method,
            allowed.replace(',', ", ")
        );
        let mut answer = Self::new(
            "405 Method Not Allowed",
            format!("{{\"error\":{},\"status\":405}}", quoted(&text)),
        );
        answer.allow = Some(allowed);
        answer
    }
}

impl Node {
    fn route(&self, request: &Request, now: Timestamp) -> Answer {
        let path = request.path();
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let shown = &self.shown;
        let is_get = matches!(request.method.as_str(), "GET" | "HEAD");
        let is_search = is_get || request.method == "POST";
        match parts.as_slice() {
            [] if is_get => Answer::json(shown.root()),
            [] => Answer::wrong_method(request, "HEAD,GET"),
            ["_cat", ..] if !is_get => Answer::wrong_method(request, "GET"),
            ["_cat"] => Answer::text(Shown::cat_list()),
            ["_cat", "indices", ..] => cat(request, &shown.cat_indices()),
            ["_cat", "nodes"] => cat(request, &shown.cat_nodes()),
            ["_cat", "health"] => cat(request, &shown.cat_health(now)),
            ["_cat", "master"] => cat(request, &shown.cat_master()),
            ["_cat", "count"] => cat(request, &shown.cat_count(now)),
            [
                "_cat",
                "aliases" | "templates" | "plugins" | "shards" | "allocation" | "recovery" | "segments",
                ..,
            ] => Answer::text(String::new()),
            ["_cluster", "health"] if is_get => Answer::json(shown.health()),
            ["_cluster", "settings"] if is_get => Answer::json("{\"persistent\":{},\"transient\":{}}"),
            ["_cluster", "settings"] => Answer::json("{\"acknowledged\":true,\"persistent\":{},\"transient\":{}}"),
            ["_cluster", "stats" | "state", ..] if is_get => Answer::json(shown.state()),
            ["_nodes", ..] if is_get => Answer::json(shown.nodes()),
            ["_search" | "_msearch"] | ["_search", "scroll"] if is_search => {
                Answer::json(shown.search(None, size_of(request), now))
            }
            ["_count"] if is_search => Answer::json(shown.count(None)),
            ["_aliases" | "_alias"] if is_get => Answer::json(shown.per_index(|_| "{\"aliases\":{}}".into())),
            ["_mapping" | "_mappings"] | ["_all", "_mapping"] if is_get => {
                Answer::json(shown.per_index(|_| Shown::mapping()))
            }
            ["_all" | "*" | "_settings"] | ["_all", "_settings"] if is_get => {
                Answer::json(shown.per_index(|index| shown.settings(index)))
            }
            ["_stats", ..] if is_get => Answer::json(shown.stats()),
            [
                "_template" | "_snapshot" | "_ingest" | "_scripts" | "_ilm" | "_tasks",
                ..,
            ] if is_get => Answer::json("{}"),
            ["_bulk"] if !is_get => Answer::json("{\"took\":7,\"errors\":false,\"items\":[]}"),
            ["_all" | "*"] if request.method == "DELETE" => Answer::json("{\"acknowledged\":true}"),
            ["_all" | "_search" | "_bulk" | "_nodes" | "_cluster", ..] => Answer::no_handler(request),
            [name, rest @ ..] => self.of_index(request, name, rest, now),
        }
    }

    /// Answers to a request about an index.
    fn of_index(&self, request: &Request, name: &str, rest: &[&str], now: Timestamp) -> Answer {
        let shown = &self.shown;
        if name.starts_with('_') {
            if !rest.is_empty() {
                return Answer::no_handler(request);
            }
            let reason = format!("Invalid index name [{name}], must not start with '_'.");
            let more = format!(",\"index_uuid\":\"_na_\",\"index\":{}", quoted(name));
            return Answer::error("400 Bad Request", "invalid_index_name_exception", &reason, &more);
        }
        let is_known = shown.has(name);
        let is_write = matches!(request.method.as_str(), "PUT" | "POST");
        let quoted_name = quoted(name);
        match (request.method.as_str(), rest) {
            ("PUT", []) if is_known => {
                let reason = format!("index [{name}/{}] already exists", shown.uuid(name));
                let more = format!(",\"index_uuid\":\"{}\",\"index\":{quoted_name}", shown.uuid(name));
                Answer::error("400 Bad Request", "resource_already_exists_exception", &reason, &more)
            }
            ("PUT", []) => Answer::json(format!(
                "{{\"acknowledged\":true,\"shards_acknowledged\":true,\"index\":{quoted_name}}}"
            )),
            (_, ["_doc" | "_create"] | ["_doc" | "_create", _]) if is_write => {
                let id = rest.get(1).map_or_else(|| shown.document_id(0), |id| (*id).to_owned());
                Answer::new(
                    "201 Created",
                    format!(
                        "{{\"_index\":{quoted_name},\"_type\":\"_doc\",\"_id\":{},\"_version\":1,\"result\":\"created\",\
                        \"_shards\":{{\"total\":2,\"successful\":1,\"failed\":0}},\"_seq_no\":0,\"_primary_term\":1}}",
                        quoted(&id)
                    ),
                )
            }
            (_, ["_bulk"]) if is_write => Answer::json("{\"took\":7,\"errors\":false,\"items\":[]}"),
            ("DELETE", []) if is_known || name.contains('*') => Answer::json("{\"acknowledged\":true}"),
            _ if !is_known && !name.contains('*') => Answer::no_index(name),
            ("GET" | "HEAD", []) => Answer::json(shown.one(name)),
            ("GET" | "POST", ["_search"]) => Answer::json(shown.search(Some(name), size_of(request), now)),
            ("GET" | "POST", ["_count"]) => Answer::json(shown.count(Some(name))),
            ("GET", ["_mapping"]) => Answer::json(format!("{{{quoted_name}:{}}}", Shown::mapping())),
            ("GET", ["_settings"]) => Answer::json(format!("{{{quoted_name}:{}}}", shown.settings(name))),
            ("GET" | "HEAD", ["_doc", id]) => Answer::new(
                "404 Not Found",
                format!(
                    "{{\"_index\":{quoted_name},\"_type\":\"_doc\",\"_id\":{},\"found\":false}}",
                    quoted(id)
                ),
            ),
            ("POST", ["_refresh" | "_flush" | "_open" | "_close", ..]) => {
                Answer::json("{\"_shards\":{\"total\":2,\"successful\":1,\"failed\":0}}")
            }
            ("POST", ["_delete_by_query"]) => Answer::json(
                "{\"took\":31,\"timed_out\":false,\"total\":0,\"deleted\":0,\"batches\":0,\"version_conflicts\":0,\"noops\":0,\
                \"retries\":{\"bulk\":0,\"search\":0},\"throttled_millis\":0,\"requests_per_second\":-1.0,\
                \"throttled_until_millis\":0,\"failures\":[]}",
            ),
            ("POST", []) => Answer::wrong_method(request, "HEAD,DELETE,PUT,GET"),
            _ => Answer::no_handler(request),
        }
    }

    fn respond(&self, request: &Request, answer: Answer) -> Response {
        let is_pretty = request.path() == "/" || query_value(request, "pretty").is_some_and(|value| value != "false");
        let body = if answer.is_json && is_pretty {
            indented(&answer.body, " : ", " ") + "\n"
        } else {
            answer.body
        };
        let kind = if answer.is_json {
            "application/json; charset=UTF-8"
        } else {
            "text/plain; charset=UTF-8"
        };
        let mut response = Response::new(answer.status);
        if request.version == Version::Ten {
            response = response.ten();
        }
        response
            .maybe("X-elastic-product", self.shown.is_new().then_some("Elasticsearch"))
            .maybe("Allow", answer.allow)
            .header("content-type", kind)
            .header("content-length", body.len().to_string())
            .body(body)
    }
}

/// A table of `_cat`: with a title if `v` is set, or as JSON.
fn cat(request: &Request, table: &[Vec<String>]) -> Answer {
    let is_json = query_value(request, "format").is_some_and(|format| format == "json")
        || request
            .text("accept")
            .is_some_and(|accept| accept.starts_with("application/json"));
    if is_json {
        return Answer::json(pretty::table_as_json(table));
    }
    let has_title = query_value(request, "v").is_some_and(|value| value != "false");
    Answer::text(pretty::table(table, has_title))
}

/// Returns how many documents a search asks for.
fn size_of(request: &Request) -> usize {
    let in_body = || {
        let body: serde_json::Value = serde_json::from_slice(&request.body).ok()?;
        body.get("size")?.as_u64()
    };
    let size = query_value(request, "size")
        .and_then(|size| size.parse().ok())
        .or_else(in_body);
    usize::try_from(size.unwrap_or(10)).unwrap_or(usize::MAX)
}

impl Server for Node {
    fn reader(&mut self) -> &mut Reader {
        &mut self.reader
    }

    fn answer(&mut self, request: &Request, turn: &mut Turn) {
        let response = self.respond(request, self.route(request, turn.now()));
        report(request, response.status(), false, turn);
        turn.send(response.bytes(request.is_head()));
        if !request.keeps_alive {
            turn.close();
        }
    }

    fn refusal(&self, fault: Fault, request: &Request, _now: Timestamp) -> (u16, Vec<u8>) {
        let answer = match fault {
            Fault::Large => {
                let response = Response::new("413 Request Entity Too Large").header("content-length", "0");
                return (413, response.bytes(false));
            }
            Fault::LongLine => Answer::error(
                "400 Bad Request",
                "too_long_frame_exception",
                "An HTTP line is larger than 4096 bytes.",
                "",
            ),
            Fault::LongHeaders => Answer::error(
                "400 Bad Request",
                "too_long_frame_exception",
                "HTTP header is larger than 16384 bytes.",
                "",
            ),
            Fault::Length | Fault::Chunk => Answer::error(
                "400 Bad Request",
                "number_format_exception",
                "For input string: \"\"",
                "",
            ),
            _ => Answer::error(
                "400 Bad Request",
                "illegal_argument_exception",
                "text is empty (possibly HTTP/0.9)",
                "",
            ),
        };
        // Netty replaces a request that it cannot read by one of HTTP/1.0.
        let unread = Request {
            version: Version::Ten,
            method: request.method.clone(),
            ..Request::default()
        };
        let response = self.respond(&unread, answer);
        (response.status(), response.bytes(false))
    }
}

impl Dialogue for Node {
    fn receive(&mut self, input: &mut Input, turn: &mut Turn) {
        serve(self, input, turn);
    }

    fn finish(&mut self, input: &mut Input, turn: &mut Turn) {
        finish(self, input, turn);
    }
}

#[cfg(test)]
mod tests;
