//! The attributes of each class.

use decnet_decoy::protocol::{Action, Record};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::class::Class;
use crate::logs::format::fields::Fields;

/// The directions of connections.
const INBOUND: u8 = 1;
const OUTBOUND: u8 = 2;

/// Returns the attributes of the class of a record.
pub(super) fn of_record(record: &Record, class: Class, fields: &mut Fields, id: Option<&Value>) -> Value {
    let session = fields.take("decnet.session");
    let actor = json!({ "session": { "uid": session.as_ref().or(id) } });
    match record.event.action {
        Action::Command => {
            let address = fields.get("source.ip").cloned();
            let observables = address.map(
                |address| json!([{ "name": "src_endpoint.ip", "type_id": 2, "type": "IP Address", "value": address }]),
            );
            json!({
                "actor": actor,
                "process": { "cmd_line": fields.take("process.command_line"), "uid": id },
                "observables": observables,
                "device": device(fields),
            })
        }
        Action::AuthAttempt => login(fields, session.as_ref()),
        Action::File => transfer(fields, session.as_ref(), &actor),
        Action::Request if class.is_http() => web_request(fields, session.as_ref()),
        Action::Request => call(fields, id, &actor),
        Action::Probe => {
            let input = fields.take("decnet.input");
            json!({
                "finding_info": { "uid": id, "title": fields.take("decnet.probe").unwrap_or_else(|| "probe".into()) },
                "evidences": [{
                    "connection_info": connection(fields, session.as_ref(), INBOUND),
                    "src_endpoint": source(fields),
                    "dst_endpoint": destination(fields),
                    "data": input.map(|input| json!({ "input": input })),
                }],
            })
        }
        Action::ContainmentDrop => json!({
            // The decky is the source.
            "src_endpoint": { "ip": fields.take("source.ip"), "port": fields.take("source.port"), "hostname": fields.take("host.name") },
            "dst_endpoint": { "ip": fields.take("destination.ip"), "port": fields.take("destination.port") },
            "connection_info": connection(fields, session.as_ref(), OUTBOUND),
            "traffic": { "packets": fields.take("decnet.packets") },
        }),
        _ => network(record, fields, session.as_ref()),
    }
}

/// Returns the attributes of a login.
fn login(fields: &mut Fields, session: Option<&Value>) -> Value {
    let is_success = fields.take("event.outcome").is_some_and(|outcome| outcome == "success");
    let method = fields.take("decnet.method");
    json!({
        "user": { "name": fields.take("user.name").unwrap_or_else(|| "".into()), "domain": fields.take("user.domain") },
        "auth_protocol_id": if method.is_some() { 99 } else { 0 },
        "auth_protocol": method,
        "logon_type_id": 3,
        "is_remote": true,
        "status_id": if is_success { 1 } else { 2 },
        "session": { "uid": session },
        "service": { "name": fields.get("service.name").cloned() },
        "src_endpoint": source(fields),
        "dst_endpoint": destination(fields),
    })
}

/// Returns the attributes of a file.
fn transfer(fields: &mut Fields, session: Option<&Value>, actor: &Value) -> Value {
    let digest = fields.get("file.hash.sha256").and_then(Value::as_str);
    let is_digest = digest.is_some_and(|text| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let digest = is_digest.then(|| fields.take("file.hash.sha256"));
    let hashes = digest.map(|digest| json!([{ "algorithm_id": 3, "algorithm": "SHA-256", "value": digest }]));
    fields.take("decnet.direction");
    json!({
        "actor": actor,
        "file": { "name": fields.take("file.name").unwrap_or_else(|| "".into()), "size": fields.take("file.size"), "type_id": 1, "hashes": hashes },
        "connection_info": connection(fields, session, INBOUND),
        "src_endpoint": source(fields),
        "dst_endpoint": destination(fields),
    })
}

/// Returns the attributes of a request of HTTP.
fn web_request(fields: &mut Fields, session: Option<&Value>) -> Value {
    let target = fields.take_text("url.original").unwrap_or_default();
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target.as_str(), None),
    };
    json!({
        "http_request": {
            "http_method": fields.take("http.request.method"),
            "url": { "path": path, "query_string": query },
            "user_agent": fields.take("user_agent.original"),
        },
        "http_response": { "code": fields.take("http.response.status_code") },
        "connection_info": connection(fields, session, INBOUND),
        "src_endpoint": source(fields),
        "dst_endpoint": destination(fields),
    })
}

/// Returns the attributes of another request.
fn call(fields: &mut Fields, id: Option<&Value>, actor: &Value) -> Value {
    let target = fields.take("decnet.target");
    let data = fields.take("decnet.data");
    json!({
        "actor": actor,
        "api": {
            "operation": fields.take("decnet.operation").unwrap_or_else(|| "unknown".into()),
            "service": { "name": fields.get("service.name").cloned() },
            "request": data.map(|data| json!({ "uid": id, "data": data })),
            "response": { "code": fields.take("decnet.status") },
        },
        "resources": target.map(|target| json!([{ "name": target }])),
        "src_endpoint": source(fields),
        "dst_endpoint": destination(fields),
    })
}

/// Returns the attributes of network activity.
fn network(record: &Record, fields: &mut Fields, session: Option<&Value>) -> Value {
    let duration = record.event.duration.map(|nanoseconds| nanoseconds / 1_000_000);
    fields.take("event.duration");
    let ja4 = fields.take("tls.client.ja4");
    let ja4 = ja4.map(|ja4| json!([{ "type_id": 1, "type": "JA4", "value": ja4 }]));
    let summary = record.decnet.summary.as_ref();
    let moment = |text: &String| text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond);
    // A count has 32 bits in the schema. The exact numbers stay in `unmapped`.
    let count = summary.map(|summary| summary.connections.saturating_add(summary.datagrams));
    let count = count.map(|count| i32::try_from(count).unwrap_or(i32::MAX));
    json!({
        "connection_info": connection(fields, session, INBOUND),
        "src_endpoint": source(fields),
        "dst_endpoint": destination(fields),
        "duration": duration,
        "status_detail": fields.take("decnet.reason"),
        "traffic": { "bytes_in": fields.take("decnet.bytes"), "bytes": fields.take("decnet.summary.bytes") },
        "ja4_fingerprint_list": ja4,
        "count": count,
        "start_time": summary.and_then(|summary| moment(&summary.first)),
        "end_time": summary.and_then(|summary| moment(&summary.last)),
    })
}

fn source(fields: &mut Fields) -> Value {
    let ip = fields.take("source.ip");
    let name = fields
        .take("decnet.from")
        .or_else(|| ip.is_none().then(|| "unknown".into()));
    json!({ "ip": ip, "port": fields.take("source.port"), "name": name })
}

fn destination(fields: &mut Fields) -> Value {
    json!({
        "ip": fields.take("destination.ip"),
        "port": fields.take("destination.port"),
        "hostname": fields.take("host.name"),
        "svc_name": fields.take("service.name"),
    })
}

/// Returns the decky of a class that has no endpoints.
pub(super) fn device(fields: &mut Fields) -> Value {
    json!({ "type_id": 6, "type": "Virtual", "hostname": fields.take("host.name"), "ip": fields.take("destination.ip") })
}

fn connection(fields: &mut Fields, session: Option<&Value>, direction: u8) -> Value {
    let transport = fields.take_text("network.transport");
    let number = match transport.as_deref() {
        Some("tcp") => Some(6),
        Some("udp") => Some(17),
        _ => None,
    };
    json!({ "uid": session, "direction_id": direction, "protocol_name": transport, "protocol_num": number })
}
