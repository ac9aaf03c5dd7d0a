//! Topics: filters, the messages that are kept, and those about the broker.

use super::super::context::Context;
use crate::protocol::Os;

/// The maximum number of bytes of a topic or a filter, so that a session stays small.
const MOST_BYTES: usize = 1024;
/// The maximum number of levels: Mosquitto's `TOPIC_HIERARCHY_LIMIT` is the number of slashes.
const MOST_LEVELS: usize = 201;

/// Returns whether the length and the number of levels are allowed.
fn is_small(topic: &[u8]) -> bool {
    let levels = topic.split(|byte| *byte == b'/').count();
    !topic.is_empty() && topic.len() <= MOST_BYTES && levels <= MOST_LEVELS
}

/// Returns whether a filter is valid (MQTT 5.0, section 4.7).
pub(super) fn is_filter(filter: &[u8]) -> bool {
    let mut levels = filter.split(|byte| *byte == b'/').peekable();
    let mut is_valid = is_small(filter);
    while let Some(level) = levels.next() {
        let is_last = levels.peek().is_none();
        let has_wildcard = level.iter().any(|byte| matches!(byte, b'#' | b'+'));
        is_valid &= !has_wildcard || level == b"+" || level == b"#" && is_last;
    }
    is_valid
}

/// Returns whether a topic can be published to.
pub(super) fn is_topic(topic: &[u8]) -> bool {
    is_small(topic) && !topic.iter().any(|byte| matches!(byte, b'#' | b'+'))
}

/// Returns whether a filter selects a topic. Wildcards do not select topics that start with `$`.
pub(super) fn selects(filter: &[u8], topic: &[u8]) -> bool {
    if topic.first() == Some(&b'$') && filter.first() != Some(&b'$') {
        return false;
    }
    let mut topics = topic.split(|byte| *byte == b'/');
    for level in filter.split(|byte| *byte == b'/') {
        match (level, topics.next()) {
            (b"#", _) => return true,
            (b"+", Some(_)) => {}
            (level, Some(own)) if level == own => {}
            _ => return false,
        }
    }
    topics.next().is_none()
}

/// A message that is kept.
pub(super) type Kept = (Vec<u8>, Vec<u8>);

/// Returns the messages of the topics in the fields. A line is a topic, or a topic and its value.
pub(super) fn kept(context: &Context) -> Vec<Kept> {
    let lines = context.fields().lines("topics");
    let message = |line: &&str| {
        let (topic, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let value = if value.is_empty() {
            usual_value(context, topic)
        } else {
            value.trim().into()
        };
        is_topic(topic.as_bytes()).then(|| (topic.into(), value.into_bytes()))
    };
    lines.iter().filter_map(message).collect()
}

fn usual_value(context: &Context, topic: &str) -> String {
    let name = topic.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    let number = u32::from(u16::from_le_bytes(context.stable(&format!("topic {topic}"))));
    let tenths = |from: u32, range: u32| format!("{}.{}", from + number % range, number % 10);
    if has(&["stat", "lwt", "avail", "online"]) {
        context.pick("mqtt status", &["online", "Online", "ON"]).into()
    } else if has(&["temp"]) {
        tenths(18, 9)
    } else if has(&["hum"]) {
        tenths(35, 25)
    } else if has(&["volt"]) {
        tenths(226, 9)
    } else if has(&["cmd", "switch", "relay", "light"]) {
        if number % 2 == 0 { "OFF".into() } else { "ON".into() }
    } else {
        tenths(0, 100)
    }
}

/// Returns the messages of Mosquitto about itself.
pub(super) fn about_the_broker(context: &Context, uptime: u64) -> Vec<Kept> {
    let number = |label: &str| u64::from(u16::from_le_bytes(context.stable(label)));
    let clients = number("mqtt clients") % 7 + 2;
    // Messages in a minute, and their bytes.
    let rate = clients * (number("mqtt rate") % 5 + 2);
    let size = number("mqtt size") % 30 + 25;
    let total = |rate: u64| rate * uptime / 60 + number("mqtt total") % 50;
    let mut messages = vec![
        ("version".into(), format!("mosquitto version {}", version(context))),
        ("uptime".into(), format!("{uptime} seconds")),
        ("clients/total".into(), clients.to_string()),
        ("clients/inactive".into(), "0".into()),
        ("clients/disconnected".into(), "0".into()),
        ("clients/active".into(), clients.to_string()),
        ("clients/connected".into(), clients.to_string()),
        ("clients/expired".into(), "0".into()),
        ("clients/maximum".into(), (clients + 2).to_string()),
    ];
    for (name, rate) in [
        ("messages/received", rate),
        ("messages/sent", rate + clients),
        ("publish/received", rate / 2),
        ("publish/sent", rate),
        ("bytes/received", rate * size),
        ("bytes/sent", (rate + clients) * size),
        ("sockets", 0),
        ("connections", 0),
    ] {
        for minutes in [1, 5, 15] {
            let hundredths = number(&format!("mqtt {name} {minutes} {}", uptime / 60)) % 100;
            messages.push((format!("load/{name}/{minutes}min"), format!("{rate}.{hundredths:02}")));
        }
    }
    for (name, value) in [
        ("messages/received", total(rate)),
        ("messages/sent", total(rate + clients)),
        ("store/messages/count", number("mqtt store") % 40 + 30),
        ("store/messages/bytes", (number("mqtt store") % 40 + 30) * size),
        ("subscriptions/count", clients * 2),
        ("retained messages/count", number("mqtt store") % 40 + 30),
        ("heap/current", 48_000 + number("mqtt heap") % 30_000),
        ("heap/maximum", 80_000 + number("mqtt heap") % 30_000),
        ("publish/messages/dropped", 0),
        ("publish/messages/received", total(rate / 2)),
        ("publish/messages/sent", total(rate)),
        ("publish/bytes/received", total(rate / 2) * size / 2),
        ("publish/bytes/sent", total(rate) * size / 2),
        ("bytes/received", total(rate) * size),
        ("bytes/sent", total(rate + clients) * size),
    ] {
        messages.push((name.into(), value.to_string()));
    }
    let topic = |(name, value): (String, String)| (format!("$SYS/broker/{name}").into_bytes(), value.into_bytes());
    messages.into_iter().map(topic).collect()
}

fn version(context: &Context) -> String {
    let persona = context.persona();
    if let Some(version) = persona.versions.get("mqtt") {
        return version.clone();
    }
    match persona.os {
        Os::Debian11 | Os::Debian12 | Os::Ubuntu2204 => "2.0.11".into(),
        Os::Ubuntu2404 => "2.0.18".into(),
        _ => context
            .pick("mqtt version", &["2.0.11", "2.0.14", "2.0.15", "2.0.18"])
            .into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_select_topics_as_in_the_standard() {
        for (filter, topic, expected) in [
            ("#", "a/b", true),
            ("#", "$SYS/a", false),
            ("+/a", "$SYS/a", false),
            ("$SYS/#", "$SYS/a/b", true),
            ("a/#", "a", true),
            ("a/+", "a", false),
            ("a/+", "a/b", true),
            ("a/+", "a/b/c", false),
            ("a/+/c", "a/b/c", true),
            ("a", "a/b", false),
        ] {
            assert_eq!(
                selects(filter.as_bytes(), topic.as_bytes()),
                expected,
                "{filter} {topic}"
            );
        }
        for filter in ["", "a#", "#/a", "a+/b", "a/#/b"] {
            assert!(!is_filter(filter.as_bytes()), "{filter}");
        }
        for (topic, is_valid) in [
            ("/".repeat(200), true),
            ("/".repeat(201), false),
            ("a".repeat(1024), true),
            ("a".repeat(1025), false),
        ] {
            assert_eq!(is_filter(topic.as_bytes()), is_valid, "{}", topic.len());
            assert_eq!(is_topic(topic.as_bytes()), is_valid, "{}", topic.len());
        }
    }
}
