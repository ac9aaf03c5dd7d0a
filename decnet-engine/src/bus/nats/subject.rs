//! Subjects of NATS for topics and patterns.
//!
//! A topic `topology.7.status` has the subject `decnet.event.topology.7.status`. Subjects are in lower case, because patterns are
//! compared without case and NATS compares bytes. A byte that is not printable ASCII, or that has a meaning in subjects, is written
//! as `%` and two hex digits.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::bus::Pattern;

/// The first words of the subjects of events, and of messages that the bus sends to itself.
const EVENTS: &str = "decnet.event";
const PROBES: &str = "decnet.probe";

/// The longest subject in bytes. A server closes the connection of a client that sends a line of more than 4096 bytes.
const LONGEST: usize = 2048;

/// What is escaped in a word, in addition to everything that is not ASCII.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'*').add(b'>');

/// Returns the subject of a topic. None if no pattern matches the topic, or if it is too long.
pub(super) fn of_topic(topic: &str) -> Option<String> {
    let subject = joined(topic.split('.').map(escaped));
    let is_usable = subject.len() <= LONGEST && topic.split('.').all(|word| !word.is_empty());
    is_usable.then_some(subject)
}

/// Returns the narrowest subject that covers all patterns; none without patterns.
///
/// A client has one subscription, so that events arrive once and in order. Those that nobody wants are dropped here.
pub(super) fn covering<'p>(patterns: impl IntoIterator<Item = &'p Pattern>) -> Option<String> {
    let subjects = patterns.into_iter().map(|pattern| {
        let words = pattern.as_str().split('.');
        words.map(|word| {
            if matches!(word, "*" | ">") {
                word.into()
            } else {
                escaped(word)
            }
        })
    });
    let cover = subjects
        .map(Iterator::collect::<Vec<String>>)
        .reduce(|cover, other| both(&cover, &other))?;
    let subject = joined(cover);
    Some(if subject.len() <= LONGEST {
        subject
    } else {
        joined([">".into()])
    })
}

/// Returns the subject of the messages that a client sends to itself.
pub(super) fn of_probes(client: &str) -> String {
    format!("{PROBES}.{client}")
}

fn joined(words: impl IntoIterator<Item = String>) -> String {
    words
        .into_iter()
        .fold(EVENTS.into(), |subject, word| format!("{subject}.{word}"))
}

fn escaped(word: &str) -> String {
    utf8_percent_encode(&word.to_ascii_lowercase(), ESCAPED)
        .to_string()
        .to_ascii_lowercase()
}

/// Returns the narrowest pattern that covers two.
fn both(one: &[String], other: &[String]) -> Vec<String> {
    let mut words = Vec::new();
    for position in 0.. {
        let word = match (one.get(position), other.get(position)) {
            (None, None) => break,
            (Some(word), Some(same)) if word == same => word.as_str(),
            (Some(one), Some(other)) if one != ">" && other != ">" => "*",
            // One of them ends here, or goes on as it likes.
            _ => ">",
        };
        words.push(word.to_owned());
        if word == ">" {
            break;
        }
    }
    // `a` and `a.b` are covered by no `a.>`: that needs a word after `a`.
    let shortest = one.len().min(other.len());
    if words.len() > shortest && words.last().is_some_and(|word| word == ">") {
        words.truncate(shortest - 1);
        words.push(">".into());
    }
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(patterns: &[&str], expected: Option<&str>) {
        let patterns: Vec<Pattern> = patterns.iter().map(|text| text.parse().expect("a pattern")).collect();
        let expected = expected.map(|rest| format!("decnet.event.{rest}"));
        assert_eq!(covering(&patterns), expected, "{patterns:?}");
    }

    #[test]
    fn one_subject_covers_all_patterns() {
        check(&[], None);
        check(&["topology.7.status"], Some("topology.7.status"));
        check(&["topology.7.>", "topology.8.>"], Some("topology.*.>"));
        check(&["topology.7.>", "topology.7.status"], Some("topology.7.>"));
        check(&["topology.7.status", "topology.8.status"], Some("topology.*.status"));
        check(&["topology.7.>", "decky.7.web"], Some("*.7.>"));
        check(&["topology.>", "system.health"], Some("*.>"));
        check(&["a", "a.b"], Some(">"));
        check(&["x.a", "x.a.b"], Some("x.>"));
        check(&["x.a.b.c", "x.a"], Some("x.>"));
        check(&["a.b", ">"], Some(">"));
    }

    #[test]
    fn words_are_in_lower_case_and_escaped() {
        let subject = |topic: &str| of_topic(topic).map(|subject| subject["decnet.event.".len()..].to_owned());
        assert_eq!(subject("decky.7.WEB-1").as_deref(), Some("decky.7.web-1"));
        assert_eq!(subject("system.a b.health").as_deref(), Some("system.a%20b.health"));
        assert_eq!(subject("system.*.>").as_deref(), Some("system.%2a.%3e"));
        assert_eq!(
            subject("system.50%\r\n.ä").as_deref(),
            Some("system.50%25%0d%0a.%c3%a4")
        );
        assert_eq!(subject("system..health"), None);
        assert_eq!(subject(""), None);
        assert_eq!(subject(&"x".repeat(3000)), None);
        check(&["system.50%.Ä"], Some("system.50%25.%c3%84"));
        check(&[&"ä".repeat(250)], Some(&"%c3%a4".repeat(250)));
        check(&["ä".repeat(250).as_str(); 1], Some(&"%c3%a4".repeat(250)));
    }

    /// Returns whether a subject with wildcards matches another, as a server decides it.
    fn matches(wanted: &str, subject: &str) -> bool {
        Pattern::new(wanted).expect("a pattern").matches(subject)
    }

    proptest! {
        #[test]
        fn a_topic_that_a_pattern_matches_has_a_subject_that_the_cover_matches(
            patterns in prop::collection::vec("[aAbä%*]{1}(\\.[aAbä%*]{1}){0,3}(\\.>)?", 1..4),
            topic in "[aAbä% *>]{1}(\\.[aAbä% *>]{1}){0,4}",
        ) {
            let patterns: Vec<Pattern> = patterns.iter().map(|text| text.parse().expect("a pattern")).collect();
            let cover = covering(&patterns).expect("there are patterns");
            let subject = of_topic(&topic).expect("it is short");
            if patterns.iter().any(|pattern| pattern.matches(&topic)) {
                prop_assert!(matches(&cover, &subject), "{cover} does not match {subject}");
            }
        }
    }
}
