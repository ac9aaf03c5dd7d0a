//! An item of each kind.

use decnet_decoy::protocol::Action;
use decnet_topology::ServiceName;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    logs::{LogContent, LogEntry, LogItem},
    naming::ContainerName,
};

/// The time of items without one.
pub(super) fn now() -> Timestamp {
    "2030-01-01T00:00:09Z".parse().unwrap()
}

/// Returns the id of an event.
pub(super) fn id(action: Action) -> String {
    let id = serde_json::to_value(action).unwrap();
    id.as_str().unwrap().to_owned()
}

/// Returns a record with all fields of its kind. No two fields have the same value.
pub(super) fn record(action: &str) -> Value {
    let mut record = json!({
        "@timestamp": "2030-01-01T00:00:00.125Z",
        "event": { "action": action, "kind": "event", "category": ["network"], "type": ["info"], "sequence": 7 },
        "host": { "name": "web-01" },
        "service": { "name": "ssh" },
        "source": { "ip": "192.0.2.7", "port": 40123 },
        "destination": { "ip": "10.90.0.10", "port": 22 },
        "network": { "transport": "tcp" },
        "related": { "ip": ["192.0.2.7"] },
        "decnet": { "session": "5f0c0a3e" },
    });
    let own = match action {
        "session.close" => json!({
            "event": { "duration": 12_345_000_000_u64 },
            "decnet": { "bytes": 1234, "reason": "closed", "left_out": { "client.fingerprint": 1, "command": 3 } },
        }),
        "auth.attempt" => json!({
            "event": { "outcome": "failure" },
            "user": { "name": "root", "domain": "CORP" },
            "decnet": { "method": "password", "password": "hunter2", "hash": "$NETNTLM$1122", "fingerprint": "SHA256:AAAA" },
        }),
        "command" => json!({ "process": { "command_line": "uname -a; cat /etc/passwd" } }),
        "request" => {
            json!({ "decnet": { "operation": "search", "target": "dc=corp", "status": 32, "data": "(uid=*)" } })
        }
        "request of HTTP" => json!({
            "event": { "action": "request" },
            "service": { "name": "http" },
            "url": { "original": "/login?next=%2F" },
            "http": {
                "request": { "method": "POST", "body": { "content": "user=admin" } },
                "response": { "status_code": 401 },
            },
            "user_agent": { "original": "curl/8.5.0" },
        }),
        "file" => json!({
            "file": { "name": "/tmp/x.sh", "size": 4321, "hash": { "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" } },
            "decnet": { "direction": "upload" },
        }),
        "client.fingerprint" => json!({
            "tls": { "client": { "ja4": "t13d1516h2_8daaf6152771_b186095e22b6", "server_name": "www.corp.example" } },
            "decnet": { "method": "ja4", "fingerprint": "ec7378c1a92f5a8dde7e8b7a1ddf33d1" },
        }),
        "probe" => json!({ "decnet": { "probe": "tls_on_plain_port", "input": "\\x16\\x03\\x01" } }),
        "containment.drop" => json!({
            "source": { "ip": "10.90.0.10" },
            "destination": { "ip": "198.51.100.9", "port": 443 },
            "decnet": { "packets": 17 },
        }),
        "summary" => json!({
            "source": null,
            "decnet": {
                "session": null,
                "left_out": { "session.open": 90 },
                "summary": {
                    "connections": 91,
                    "datagrams": 92,
                    "bytes": 9300,
                    "first": "2030-01-01T00:00:01.000Z",
                    "last": "2030-01-01T00:00:02.000Z",
                },
            },
        }),
        _ => Value::Null,
    };
    merge(&mut record, own);
    let all = Action::ALL;
    let technique = all
        .iter()
        .find(|known| id(**known) == action)
        .and_then(|action| action.technique());
    if let Some((id, name)) = technique {
        merge(
            &mut record,
            json!({ "threat": { "technique": { "id": [id], "name": [name] } } }),
        );
    }
    record
}

fn merge(target: &mut Value, values: Value) {
    match values {
        Value::Object(values) => {
            for (key, value) in values {
                merge(&mut target[key], value);
            }
        }
        Value::Null => {}
        value => *target = value,
    }
}

/// Returns the item of a record.
pub(super) fn item(record: &Value) -> LogItem {
    let mut record = record.clone();
    if record["event"]["action"] == "summary" {
        record.as_object_mut().unwrap().remove("source");
        record["decnet"].as_object_mut().unwrap().remove("session");
    }
    let record = serde_json::from_value(record).unwrap();
    entry(LogContent::Record(Box::new(record)))
}

/// Returns a line of another program.
pub(super) fn program_line(message: &str) -> LogItem {
    entry(LogContent::Text {
        is_error: true,
        message: message.into(),
    })
}

/// Returns a JSON object of another program.
pub(super) fn program_object(text: &str) -> LogItem {
    let object = json!({ "eventid": text, "src_ip": "192.0.2.7", text: 1 });
    entry(LogContent::Json {
        is_error: false,
        message: object.as_object().unwrap().clone(),
    })
}

fn entry(content: LogContent) -> LogItem {
    let is_http = matches!(&content, LogContent::Record(record) if record.http.is_some());
    LogItem::Entry(LogEntry {
        id: "0123456789ab-1b3a7c-1".into(),
        at: "2030-01-01T00:00:00.25Z".parse().unwrap(),
        topology: "0e7a1c52-6a53-4f5e-9d0c-1f2e3d4c5b6a".parse().unwrap(),
        maze: Some("corp".parse().unwrap()),
        decky: "web-01".parse().unwrap(),
        service: Some(ServiceName::new(if is_http { "http" } else { "ssh" })),
        container: ContainerName::from_docker("decnet-0e7a1c52-web-01.ssh"),
        from: Some("desk-02".parse().unwrap()),
        inside: false,
        content,
    })
}

/// Returns an item of each kind with its name.
pub(super) fn all() -> Vec<(String, LogItem)> {
    let mut names: Vec<String> = Action::ALL.map(id).into();
    let request = names.iter().position(|name| name == "request").unwrap();
    names.insert(request + 1, "request of HTTP".into());
    let records = names.into_iter().map(|name| {
        let item = item(&record(&name));
        (name, item)
    });
    let others = [
        ("object of a program", program_object("cowrie.login.failed")),
        ("line of a program", program_line("Accepted publickey for root")),
        (
            "lines.dropped",
            LogItem::Dropped {
                container: ContainerName::from_docker("decnet-0e7a1c52-web-01.ssh"),
                service: "ssh".into(),
                lines: 12,
            },
        ),
        (
            "log.unreadable",
            LogItem::Unreadable {
                container: ContainerName::from_docker("decnet-0e7a1c52-web-01.ssh"),
                reason: "the log driver keeps no lines".into(),
            },
        ),
        (
            "runtime.disconnected",
            LogItem::Disconnected {
                reason: "connection refused".into(),
            },
        ),
        ("runtime.connected", LogItem::Connected {}),
    ];
    let others = others.into_iter().map(|(name, item)| (name.to_owned(), item));
    records.chain(others).collect()
}
