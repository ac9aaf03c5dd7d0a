//! The required attributes and the constraints of OCSF 1.5.0, from <https://schema.ocsf.io/1.5.0>.

use serde_json::Value;

use super::*;

const BASE: [&str; 7] = [
    "activity_id",
    "category_uid",
    "class_uid",
    "metadata",
    "severity_id",
    "time",
    "type_uid",
];

/// The attributes that a class requires besides those of all classes.
const CLASSES: [(u64, &[&str]); 9] = [
    (0, &[]),
    (1007, &["actor", "device", "process"]),
    (2004, &["finding_info"]),
    (3002, &["user"]),
    (4001, &[]),
    (4002, &[]),
    (6003, &["actor", "api", "src_endpoint"]),
    (6006, &["actor", "file", "src_endpoint"]),
    (6008, &[]),
];

/// The attributes that an object requires, and those of which it has at least one, by the path of the object.
const OBJECTS: [(&str, &[&str], &[&str]); 17] = [
    ("/actor", &[], &["process", "user", "session", "app_name"]),
    ("/api", &["operation"], &[]),
    ("/api/request", &["uid"], &[]),
    ("/attacks/0/technique", &[], &["name", "uid"]),
    ("/connection_info", &["direction_id"], &[]),
    ("/device", &["type_id"], &["ip", "uid", "name", "hostname"]),
    ("/dst_endpoint", &[], &["ip", "uid", "name", "hostname", "svc_name"]),
    (
        "/evidences/0",
        &[],
        &["connection_info", "dst_endpoint", "src_endpoint", "data"],
    ),
    ("/file", &["name", "type_id"], &[]),
    ("/finding_info", &["uid"], &[]),
    ("/http_request/url", &[], &["url_string", "path"]),
    ("/http_response", &["code"], &[]),
    ("/ja4_fingerprint_list/0", &["type_id", "value"], &[]),
    ("/metadata", &["product", "version"], &[]),
    ("/process", &[], &["pid", "uid", "cpid"]),
    ("/src_endpoint", &[], &["ip", "uid", "name", "hostname"]),
    ("/user", &[], &["account", "name", "uid"]),
];

/// The samples that are not an event of one visitor.
const NOT_VISITS: [&str; 7] = [
    "summary",
    "object of a program",
    "line of a program",
    "lines.dropped",
    "log.unreadable",
    "runtime.disconnected",
    "runtime.connected",
];

/// Checks what the schema requires of an event.
#[track_caller]
pub(super) fn check(event: &Value) {
    let number = |name: &str| event[name].as_u64().unwrap();
    let class = number("class_uid");
    let (_, own) = CLASSES
        .iter()
        .find(|(uid, _)| *uid == class)
        .expect("a class of the table");
    for attribute in BASE.iter().chain(*own) {
        assert!(event.get(attribute).is_some(), "{attribute} is missing in {event:#}");
    }
    assert_eq!(number("type_uid"), class * 100 + number("activity_id"), "{event:#}");
    assert_eq!(number("category_uid"), class / 1000, "{event:#}");
    let at_least_one: &[&str] = match class {
        3002 => &["service", "dst_endpoint"],
        4001 => &["src_endpoint", "dst_endpoint"],
        4002 => &["http_request", "http_response"],
        _ => &["time"],
    };
    assert!(at_least_one.iter().any(|name| event.get(name).is_some()), "{event:#}");
    for (path, required, at_least_one) in OBJECTS {
        let Some(object) = event.pointer(path) else { continue };
        assert!(
            required.iter().all(|name| object.get(name).is_some()),
            "{path} in {event:#}"
        );
        let has_one = at_least_one.is_empty() || at_least_one.iter().any(|name| object.get(name).is_some());
        assert!(has_one, "{path} in {event:#}");
    }
    let mut profiles = Vec::new();
    profiles.extend(event.get("attacks").map(|_| "security_control"));
    // Class 1007 has a device of its own.
    profiles.extend(event.get("device").filter(|_| class == 0).map(|_| "host"));
    let profiles = (!profiles.is_empty()).then(|| Value::from(profiles));
    assert_eq!(event["metadata"].get("profiles"), profiles.as_ref(), "{event:#}");
}

#[test]
fn each_event_has_what_the_schema_requires() {
    for (name, item) in all() {
        let event = ocsf::document(&item, now());
        check(&event);
        let mut minimal = samples::record("session.open");
        minimal["event"]["action"] = name.split(' ').next().unwrap().into();
        for field in ["source", "destination", "network", "decnet", "service"] {
            minimal.as_object_mut().unwrap().remove(field);
        }
        if !NOT_VISITS.contains(&name.as_str()) {
            check(&ocsf::document(&samples::item(&minimal), now()));
        }
    }
}
