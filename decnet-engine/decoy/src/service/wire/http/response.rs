//! Answers.

use std::fmt::Write as _;

use jiff::Timestamp;

/// An answer. Its headers are sent in the order and case in which they were added.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    line: String,
    headers: String,
    body: Vec<u8>,
}

impl Response {
    /// Creates an answer with the text after `HTTP/1.1 `, for instance `404 Not Found`.
    pub(crate) fn new(status: &str) -> Self {
        Self {
            line: format!("HTTP/1.1 {status}"),
            headers: String::new(),
            body: Vec::new(),
        }
    }

    /// Answers with HTTP/1.0.
    pub(crate) fn ten(mut self) -> Self {
        self.line.replace_range(..8, "HTTP/1.0");
        self
    }

    /// Adds a header. Line breaks in the value become spaces.
    pub(crate) fn header(mut self, name: &str, value: impl AsRef<str>) -> Self {
        let value = value.as_ref().replace(['\r', '\n'], " ");
        let _ = write!(self.headers, "{name}: {value}\r\n");
        self
    }

    /// Adds a header if there is a value.
    pub(crate) fn maybe(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.header(name, value),
            None => self,
        }
    }

    /// Sets the body.
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Returns the status.
    pub(crate) fn status(&self) -> u16 {
        self.line.get(9..12).and_then(|digits| digits.parse().ok()).unwrap_or(0)
    }

    /// Returns the bytes; the answer to a HEAD has no body.
    pub(crate) fn bytes(&self, is_head: bool) -> Vec<u8> {
        let mut bytes = format!("{}\r\n{}\r\n", self.line, self.headers).into_bytes();
        if !is_head {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }

    /// Returns only the body, as HTTP/0.9 has it.
    pub(crate) fn into_body(self) -> Vec<u8> {
        self.body
    }
}

/// Returns the time in the form of the header `Date` (RFC 9110 section 5.6.7).
pub(crate) fn date(time: Timestamp) -> String {
    time.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Returns bytes as lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
