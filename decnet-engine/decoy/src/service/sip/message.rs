//! Requests of SIP, and the credentials in them (RFC 7616).

use crate::service::dialogue::Input;

/// The maximum length of a head and of a body.
const MOST: usize = 20 * 1024;
/// The maximum number of headers.
const HEADERS: usize = 64;

/// A request.
#[derive(Debug, Default)]
pub(super) struct Message {
    /// The method.
    pub(super) method: String,
    /// The request URI.
    pub(super) uri: String,
    /// The body.
    pub(super) body: Vec<u8>,
    headers: Vec<(String, Vec<u8>)>,
}

/// The credentials in `Authorization`.
#[derive(Debug, Default)]
pub(super) struct Credentials {
    pub(super) user: String,
    pub(super) realm: String,
    pub(super) nonce: String,
    pub(super) uri: String,
    pub(super) response: String,
    pub(super) client_nonce: String,
    pub(super) count: String,
    pub(super) quality: String,
}

/// What the input is.
pub(super) enum Read {
    /// A message that is not complete, or nothing.
    Incomplete,
    /// A request.
    Message(Message),
    /// A message that is no request of SIP.
    Other(Vec<u8>),
    /// A message that is too long.
    TooLong,
}

/// Takes a message from the input. A datagram is always complete.
pub(super) fn read(input: &mut Input, is_datagram: bool) -> Read {
    // Empty lines keep a connection alive.
    let empty = input
        .bytes()
        .iter()
        .take_while(|byte| matches!(byte, b'\r' | b'\n' | 0))
        .count();
    input.take(empty);
    if input.bytes().is_empty() {
        return Read::Incomplete;
    }
    let bytes = input.bytes();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let Some(end) = end.or(is_datagram.then_some(bytes.len())) else {
        return if bytes.len() > MOST {
            Read::TooLong
        } else {
            Read::Incomplete
        };
    };
    let head = bytes.get(..end).unwrap_or_default();
    let message = parse(head);
    let length = message
        .as_ref()
        .and_then(|message| message.text("content-length").trim().parse::<usize>().ok());
    let start = (end + 4).min(bytes.len());
    let length = if is_datagram {
        bytes.len() - start
    } else {
        length.unwrap_or_default()
    };
    if length > MOST {
        return Read::TooLong;
    }
    let Some(body) = bytes.get(start..start + length) else {
        return Read::Incomplete;
    };
    let body = body.to_vec();
    let taken = input.take(start + length);
    match message {
        Some(message) => Read::Message(Message { body, ..message }),
        None => Read::Other(taken),
    }
}

/// Reads a head. Returns none if it is no request, or without the headers that every request has.
fn parse(head: &[u8]) -> Option<Message> {
    let mut lines = head
        .split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let first = String::from_utf8_lossy(lines.next()?).into_owned();
    let mut words = first.split_ascii_whitespace();
    let (method, uri, version) = (words.next()?, words.next()?, words.next()?);
    if !version.eq_ignore_ascii_case("SIP/2.0") || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let mut headers: Vec<(String, Vec<u8>)> = Vec::new();
    for line in lines {
        if let Some(b' ' | b'\t') = line.first() {
            // A line that continues the one before.
            let (_, value) = headers.last_mut()?;
            value.push(b' ');
            value.extend(line.trim_ascii());
            continue;
        }
        if line.is_empty() || headers.len() >= HEADERS {
            break;
        }
        let colon = line.iter().position(|byte| *byte == b':')?;
        let name = String::from_utf8_lossy(line.get(..colon)?.trim_ascii()).to_ascii_lowercase();
        let value = line.get(colon + 1..)?.trim_ascii().to_vec();
        headers.push((long(name), value));
    }
    let message = Message {
        method: method.to_owned(),
        uri: uri.to_owned(),
        body: Vec::new(),
        headers,
    };
    let needed = ["via", "from", "to", "call-id", "cseq"];
    needed
        .iter()
        .all(|name| message.header(name).is_some())
        .then_some(message)
}

/// Returns the long name of a header (RFC 3261 section 7.3.3).
fn long(name: String) -> String {
    match name.as_str() {
        "v" => "via".into(),
        "f" => "from".into(),
        "t" => "to".into(),
        "i" => "call-id".into(),
        "l" => "content-length".into(),
        "m" => "contact".into(),
        _ => name,
    }
}

impl Message {
    /// Returns the first header of a name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&[u8]> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_slice())
    }

    /// Returns all headers of a name in lower case.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let found = self.headers.iter().filter(move |(key, _)| key == name);
        found.map(|(_, value)| value.as_slice())
    }

    /// Returns the first header of a name in lower case, or an empty text.
    pub(super) fn text(&self, name: &str) -> String {
        String::from_utf8_lossy(self.header(name).unwrap_or_default()).into_owned()
    }

    /// Returns the extension that is called, or that registers: the user of the URI or of `To`.
    pub(super) fn extension(&self) -> String {
        if self.method == "REGISTER" {
            user_of(&self.text("to"))
        } else {
            user_of(&self.uri)
        }
    }

    /// Returns the host of the request URI.
    pub(super) fn host(&self) -> &str {
        let host = self
            .uri
            .rsplit_once('@')
            .map_or_else(|| self.uri.trim_start_matches("sip:"), |(_, host)| host);
        host.split([':', ';']).next().unwrap_or_default()
    }

    /// Returns the credentials of a login.
    pub(super) fn credentials(&self) -> Option<Credentials> {
        let header = self
            .header("authorization")
            .or_else(|| self.header("proxy-authorization"))?;
        let header = String::from_utf8_lossy(header).into_owned();
        let (scheme, rest) = header.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("digest") {
            return None;
        }
        let mut credentials = Credentials::default();
        let mut is_quoted = false;
        let parts = rest.split(|character| {
            is_quoted ^= character == '"';
            character == ',' && !is_quoted
        });
        for part in parts {
            let Some((name, value)) = part.trim().split_once('=') else {
                continue;
            };
            let value = value.trim().trim_matches('"').to_owned();
            match name.trim().to_ascii_lowercase().as_str() {
                "username" => credentials.user = value,
                "realm" => credentials.realm = value,
                "nonce" => credentials.nonce = value,
                "uri" => credentials.uri = value,
                "response" => credentials.response = value,
                "cnonce" => credentials.client_nonce = value,
                "nc" => credentials.count = value,
                "qop" => credentials.quality = value,
                _ => {}
            }
        }
        Some(credentials)
    }
}

/// Returns the user of a SIP URI, which may have a name and angle brackets around it.
fn user_of(text: &str) -> String {
    let start = text
        .find("sip:")
        .map(|at| at + 4)
        .or_else(|| text.find("sips:").map(|at| at + 5));
    let rest = start.and_then(|at| text.get(at..)).unwrap_or_default();
    let user = rest.split_once('@').map(|(user, _)| user).unwrap_or_default();
    user.split([':', ';']).next().unwrap_or_default().to_owned()
}
