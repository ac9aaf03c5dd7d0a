use std::collections::BTreeMap;

use decnet_topology::{MutationId, TopologyId};
use proptest::prelude::*;
use syslog_loose::{Message, ProcId, Protocol, Variant};

use super::*;
use crate::{
    event::Trigger,
    syslog::{ELEMENT, LONGEST_HOST, escape_invisible},
};

fn writer() -> SyslogWriter {
    SyslogWriter::new("trap-01", "4711")
}

fn envelope(event: Event) -> Envelope {
    Envelope {
        id: "5f0c0a3e-8c1d-4b7e-a1b2-c3d4e5f60718".parse().expect("an id"),
        at: "2030-01-01T00:00:01.123456789Z".parse().expect("a time"),
        event,
    }
}

fn topology() -> TopologyId {
    "0e7a1c52-6a53-4f5e-9d0c-1f2e3d4c5b6a".parse().expect("an id")
}

fn decky(services: &[&str]) -> Event {
    Event::Decky(DeckyEvent {
        topology: topology(),
        decky: "web-01".parse().expect("a name"),
        old_services: BTreeSet::new(),
        new_services: services.iter().map(|service| ServiceName::new(service)).collect(),
        trigger: Trigger::Creation,
    })
}

fn rejected(actor: &str, reason: &str) -> Event {
    Event::Mutation {
        topology: topology(),
        mutation: MutationId::new(7),
        op: "add_lan".into(),
        state: MutationStage::Rejected,
        actor: Some(actor.into()),
        reason: Some(reason.into()),
    }
}

/// Parses a line as a log collector does. Returns the message and the structured data.
fn read(line: &str) -> (Message<&str>, BTreeMap<String, String>) {
    let message = syslog_loose::parse_message(line, Variant::RFC5424);
    assert_eq!(message.protocol, Protocol::RFC5424(1), "{line}");
    assert_eq!(message.structured_data.len(), 1, "{line}");
    let element = &message.structured_data[0];
    assert_eq!(element.id, ELEMENT);
    let values = element
        .params()
        .map(|(name, value)| ((*name).to_owned(), value))
        .collect();
    (message, values)
}

#[test]
fn invisible_and_reversing_characters_are_written_in_digits() {
    assert_eq!(
        escape_invisible("rtl\u{202e}gpj\u{200b}"),
        "rtl#342#200#256gpj#342#200#213"
    );
}

#[test]
fn the_line_of_a_decky() {
    let line = writer().line(&envelope(decky(&["http", "ssh"]))).expect("a line");
    insta::assert_snapshot!(line, @r#"<133>1 2030-01-01T00:00:01.123456Z trap-01 decnet 4711 decky [decnet@32473 event="5f0c0a3e-8c1d-4b7e-a1b2-c3d4e5f60718" topology="0e7a1c52-6a53-4f5e-9d0c-1f2e3d4c5b6a" decky="web-01" old_services="" new_services="http,ssh" trigger="creation"] decky web-01: creation"#);
}

#[test]
fn a_collector_reads_the_values_that_were_written() {
    let line = writer().line(&envelope(decky(&["http", "ssh"]))).expect("a line");
    let (message, values) = read(&line);
    assert_eq!(
        (message.hostname, message.appname, message.msgid),
        (Some("trap-01"), Some("decnet"), Some("decky"))
    );
    assert_eq!(message.procid, Some(ProcId::PID(4711)));
    assert_eq!(
        message.timestamp.expect("a time").timestamp_micros(),
        1_893_456_001_123_456
    );
    assert_eq!(
        (values["new_services"].as_str(), values["old_services"].as_str()),
        ("http,ssh", "")
    );
    assert_eq!(
        (values["decky"].as_str(), values["trigger"].as_str()),
        ("web-01", "creation")
    );
}

#[track_caller]
fn is_read_back(value: &str) {
    let line = writer().line(&envelope(rejected(value, "the reason"))).expect("a line");
    assert_eq!(line.lines().count(), 1, "{line:?}");
    assert!(!line.contains(char::is_control), "{line:?}");
    let (message, values) = read(&line);
    assert_eq!(values["actor"], escape_invisible(value), "{line:?}");
    assert_eq!(values["reason"], "the reason", "{line:?}");
    assert_eq!(values.len(), 7, "{line:?}");
    assert_eq!(message.msg, "mutation #7 is rejected", "{line:?}");
}

#[test]
fn no_value_hides_the_next_field() {
    for value in [
        r#"]"\"#,
        r#"x" reason="forged"#,
        r#"x"] forged message"#,
        r#"\"] [forged@1 a="b"]"#,
        r"ends with a backslash\",
        r"\\",
        "two\nlines",
        "\n<133>1 2030-01-01T00:00:00Z forged decnet - - - a second line",
        "tab\tand\rreturn\0and\u{1b}[2J",
        "täglich 名 🦀",
        "next\u{85}line\u{2028}and\u{2029}paragraph",
        " ",
        "=",
    ] {
        is_read_back(value);
    }
    let service = decky(&[r#"a"] x"#, "b\nc"]);
    let line = writer().line(&envelope(service)).expect("a line");
    let (_, values) = read(&line);
    assert_eq!(
        (values["new_services"].as_str(), values["trigger"].as_str()),
        (r#"a"] x,b#012c"#, "creation")
    );
}

#[test]
fn names_of_hosts_and_processes_stay_one_field() {
    let line = SyslogWriter::new("a host\nof mine", "")
        .line(&envelope(decky(&[])))
        .expect("a line");
    assert!(line.contains(" a_host_of_mine decnet - decky "), "{line}");
    let long = SyslogWriter::new(&"h".repeat(300), "1")
        .line(&envelope(decky(&[])))
        .expect("a line");
    assert_eq!(read(&long).0.hostname.map(str::len), Some(LONGEST_HOST));
}

#[test]
fn a_step_has_no_line() {
    let planned = Event::Planned {
        topology: topology(),
        steps: 1,
        deleted_logs: Vec::new(),
    };
    assert_eq!(writer().line(&envelope(planned)), None);
}

proptest! {
    #[test]
    fn any_value_is_read_back(value in any::<String>()) {
        is_read_back(&value);
    }
}
