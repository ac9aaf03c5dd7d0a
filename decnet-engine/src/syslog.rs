//! Messages of RFC 5424.

use std::fmt::Write as _;

use decnet_topology::shown;
use jiff::Timestamp;
use syslog_fmt::{
    Facility, Severity,
    v5424::{self, Config},
};

/// The name of the structured data. RFC 5612 reserves this number for documentation; DECNET has no number of its own.
pub(crate) const ELEMENT: &str = "decnet@32473";

/// It is not `authpriv`, because programs that read the logins of this machine would take those of visitors for real.
const FACILITY: Facility = Facility::Local0;

/// The maximum lengths of the names in the header: section 6 of the RFC.
pub(crate) const LONGEST_HOST: usize = 255;
const LONGEST_PROGRAM: usize = 48;
const LONGEST_PROCESS: usize = 128;
const LONGEST_KIND: usize = 32;

/// The lengths to which values are cut, one after the other, until a message is short enough.
const CUTS: [usize; 7] = [usize::MAX, 512, 256, 128, 64, 32, 16];

/// A message. It is one line, whatever its values contain.
///
/// In the header, characters that are not visible ASCII are replaced by `_`, and names that are too long are cut. Quotes,
/// backslashes and brackets in values are escaped as in section 6.3.3 of the RFC. Control characters and other invisible
/// characters, which the RFC allows, are written like rsyslog does: `#` and three octal digits per byte.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    pub(crate) severity: Severity,
    pub(crate) at: Timestamp,
    pub(crate) host: &'a str,
    pub(crate) program: &'a str,
    pub(crate) process: Option<&'a str>,
    /// The id of the kind of message.
    pub(crate) kind: &'a str,
    /// The structured data; none if it is empty.
    pub(crate) values: Vec<(String, String)>,
    pub(crate) text: &'a str,
}

impl Message<'_> {
    /// Returns the message without a line feed.
    pub(crate) fn line(&self) -> String {
        self.header(usize::MAX) + &escape_invisible(self.text)
    }

    /// Returns the message with values that are cut until it has at most a number of bytes. A cut value ends with `…`.
    pub(crate) fn line_within(&self, longest: usize) -> String {
        let text = escape_invisible(self.text);
        let mut headers = CUTS.into_iter().map(|cut| self.header(cut));
        // Half of the message is for the text, if that is long.
        let room = longest.saturating_sub(text.len().min(longest / 2));
        let mut line = headers.find(|header| header.len() <= room).unwrap_or_else(|| {
            let bare = Message {
                values: Vec::new(),
                ..*self
            };
            bare.header(0)
        });
        line.push_str(&text);
        line.truncate(line.floor_char_boundary(longest));
        line
    }

    /// Returns what is before the text, with values of at most a number of bytes.
    fn header(&self, cut: usize) -> String {
        let process = self.process.map(|process| field(process, LONGEST_PROCESS));
        let formatter = Config {
            facility: FACILITY,
            hostname: Some(&field(self.host, LONGEST_HOST)),
            app_name: Some(&field(self.program, LONGEST_PROGRAM)),
            proc_id: process.as_deref(),
        }
        .into_formatter();
        let values: Vec<(&str, String)> = self
            .values
            .iter()
            .map(|(name, value)| (name.as_str(), escape_invisible(&shortened(value, cut))))
            .collect();
        let values: Vec<(&str, &str)> = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let elements = (!values.is_empty()).then_some((ELEMENT, values));
        // A fraction of a second has at most six digits: section 6.2.3.
        let at = self.at.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
        let mut line = Vec::new();
        let written = formatter.write_with_data(
            &mut line,
            self.severity,
            v5424::Timestamp::PreformattedString(at),
            // The text is added later. It has no byte order mark: few receivers remove it.
            format_args!(""),
            Some(field(self.kind, LONGEST_KIND).as_str()),
            elements,
        );
        // Writing to memory does not fail, and the line is UTF-8.
        written
            .ok()
            .and_then(|()| String::from_utf8(line).ok())
            .unwrap_or_default()
    }
}

fn shortened(value: &str, longest: usize) -> String {
    if value.len() <= longest {
        return value.into();
    }
    format!("{}…", &value[..value.floor_char_boundary(longest)])
}

/// Replaces invisible characters by digits, so that no value breaks the line, reverses the text or hides.
pub(crate) fn escape_invisible(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if shown::is_hidden(character) {
            for byte in character.encode_utf8(&mut [0; 4]).bytes() {
                // Writing to memory does not fail.
                let _ = write!(escaped, "#{byte:03o}");
            }
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// Makes a valid header field: visible ASCII, not too long, and not empty.
fn field(text: &str, longest: usize) -> String {
    let visible = |character: char| if character.is_ascii_graphic() { character } else { '_' };
    let field: String = text.chars().map(visible).take(longest).collect();
    if field.is_empty() { "-".into() } else { field }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<'a>(host: &'a str, text: &'a str, values: &[(&str, &str)]) -> Message<'a> {
        Message {
            severity: Severity::Notice,
            at: Timestamp::from_second(1_900_000_000).unwrap(),
            host,
            program: "decnet",
            process: Some("7"),
            kind: "visit",
            values: values
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect(),
            text,
        }
    }

    #[test]
    fn a_message_has_the_header_of_rfc_5424() {
        for (host, expected) in [("trap-1", "trap-1"), ("", "-"), ("a b", "a_b")] {
            let line = message(host, "{\"a\": \"[b\"}", &[]).line();
            let parsed = syslog_loose::parse_message(&line, syslog_loose::Variant::RFC5424);
            assert_eq!(parsed.hostname, (expected != "-").then_some(expected), "{line}");
            assert_eq!((parsed.appname, parsed.msg), (Some("decnet"), "{\"a\": \"[b\"}"));
            assert_eq!(parsed.timestamp.unwrap().timestamp(), 1_900_000_000);
        }
    }

    #[test]
    fn a_message_that_is_too_long_is_cut_inside_its_values_and_stays_valid() {
        let (long, quotes) = ("ü".repeat(3000), "\"".repeat(1024));
        for (text, values) in [
            (long.as_str(), vec![("a", "short"), ("b", quotes.as_str())]),
            (
                "text",
                vec![("a", long.as_str()), ("b", quotes.as_str()), ("c", "kept")],
            ),
            (long.as_str(), vec![]),
            ("text", vec![("a", quotes.as_str()); 100]),
        ] {
            let message = message("trap-1", text, &values);
            let line = message.line_within(2048);
            assert!(line.len() <= 2048, "{}", line.len());
            let parsed = syslog_loose::parse_message(&line, syslog_loose::Variant::RFC5424);
            let elements = &parsed.structured_data;
            let params = elements.first().map_or(0, |element| element.params().count());
            assert_eq!(params, if values.len() < 100 { values.len() } else { 0 }, "{line}");
            assert!(
                text.starts_with(parsed.msg) && parsed.msg.len() >= text.len().min(900),
                "{line}"
            );
        }
        let short = message("trap-1", "text", &[("a", "b")]);
        assert_eq!(short.line_within(2048), short.line());
    }
}
