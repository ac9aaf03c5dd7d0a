mod docs;
mod fuzzing;
mod hostile;
mod ocsf_schema;
mod samples;

use super::*;
use samples::{all, now};

/// Returns a line of each kind of item, without the version of this crate.
fn lines(format: LogFormat) -> String {
    let line = |(name, item): &(String, LogItem)| format!("{name}\n{}\n", format.line_at(item, now()));
    let lines: Vec<String> = all().iter().map(line).collect();
    lines.join("\n").replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

#[test]
fn the_lines_for_people() {
    insta::assert_snapshot!(lines(LogFormat::Text));
}

#[test]
fn the_documents_of_ecs() {
    insta::assert_snapshot!(lines(LogFormat::Ecs));
}

#[test]
fn the_lines_of_rfc_5424() {
    insta::assert_snapshot!(lines(LogFormat::Rfc5424));
}

#[test]
fn the_lines_of_cef() {
    insta::assert_snapshot!(lines(LogFormat::Cef));
}

#[test]
fn the_events_of_ocsf() {
    insta::assert_snapshot!(lines(LogFormat::Ocsf));
}

#[test]
fn a_container_cannot_choose_the_time_the_place_or_the_kind_of_a_document() {
    let mut record = samples::record("request");
    record["@timestamp"] = "yesterday".into();
    record["event"]["kind"] = "alert".into();
    record["event"]["category"] = serde_json::json!(["none", "such"]);
    record["host"]["name"] = "db-01".into();
    record["service"]["name"] = "smb".into();
    let document = ecs::document(&samples::item(&record), now());
    assert_eq!(document["@timestamp"], "2030-01-01T00:00:00.25Z");
    assert_eq!(document["event"]["kind"], "event");
    assert_eq!(document["event"]["category"], serde_json::json!(["network"]));
    assert_eq!(
        (&document["host"]["name"], &document["service"]["name"]),
        (&"web-01".into(), &"ssh".into())
    );
    record["@timestamp"] = "1900-01-01T00:00:00Z".into();
    assert_eq!(
        ecs::document(&samples::item(&record), now())["@timestamp"],
        "2030-01-01T00:00:00.25Z"
    );
}

#[test]
fn names_in_the_header_of_syslog_are_cut_and_have_no_spaces() {
    let mut item = samples::item(&samples::record("command"));
    let LogItem::Entry(entry) = &mut item else {
        unreachable!()
    };
    entry.service = Some(decnet_topology::ServiceName::new(&"a b".repeat(40)));
    let line = LogFormat::Rfc5424.line_at(&item, now());
    let message = syslog_loose::parse_message(&line, syslog_loose::Variant::RFC5424);
    assert_eq!(message.appname, Some(&*"a_b".repeat(16)));
    assert_eq!((message.hostname, message.msgid), (Some("web-01"), Some("command")));
}

#[test]
fn a_key_of_cef_has_only_letters_and_digits() {
    assert_eq!(
        cef::custom_key("http.request.body.content"),
        "DecnetHttpRequestBodyContent"
    );
    assert_eq!(cef::custom_key("decnet.left_out"), "DecnetLeftOut");
}
