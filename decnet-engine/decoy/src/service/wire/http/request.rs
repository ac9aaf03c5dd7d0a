//! Requests, and what can be wrong with them.

use super::percent::decode;

/// How a server reads requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// nginx 1.18 to 1.24: it refuses the request at the first wrong byte, and answers HTTP/0.9.
    Nginx,
    /// Windows' HTTP.sys: as nginx, but the method may be any token.
    HttpSys,
    /// Go's `net/http`: it reads whole lines.
    Go,
    /// Netty in Elasticsearch: it reads whole lines.
    Netty,
}

/// What is wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The method is not valid.
    Method,
    /// The target is not valid.
    Target,
    /// The request line is not valid in another way.
    Line,
    /// The version is HTTP/2.0 or later.
    Version,
    /// The request line is too long.
    LongLine,
    /// The headers are too long.
    LongHeaders,
    /// A header is not valid.
    Header,
    /// An HTTP/1.1 request has no valid `Host`.
    Host,
    /// The length of the body is not valid, or is given twice.
    Length,
    /// The transfer encoding is not known.
    Encoding,
    /// The body is larger than the limit of the server.
    Large,
    /// A chunk of the body is not valid.
    Chunk,
}

/// The version of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Version {
    /// HTTP/0.9: no headers, and the answer has none.
    Old,
    /// HTTP/1.0.
    Ten,
    /// HTTP/1.1 and later.
    #[default]
    Eleven,
}

/// A request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    /// The method.
    pub(crate) method: String,
    /// The target as it was sent.
    pub(crate) target: Vec<u8>,
    /// The version.
    pub(crate) version: Version,
    /// Names in lower case, and values.
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    /// The first bytes of the body.
    pub(crate) body: Vec<u8>,
    /// The number of bytes of the body.
    pub(crate) length: u64,
    /// The SHA-256 of the body in hex digits.
    pub(crate) sha256: String,
    /// Whether the connection stays open after the answer.
    pub(crate) keeps_alive: bool,
}

impl Request {
    /// Returns the first header with a name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&[u8]> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_slice())
    }

    /// Returns the first header with a name in lower case, if it is UTF-8.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.header(name)?).ok()
    }

    /// Returns whether the answer has no body.
    pub(crate) fn is_head(&self) -> bool {
        self.method == "HEAD"
    }

    /// Returns the target's path as it was sent, without the host of an absolute target.
    pub(crate) fn raw_path(&self) -> &[u8] {
        let target = self.target.as_slice();
        let start = if target.starts_with(b"/") {
            0
        } else {
            let host = target
                .windows(3)
                .position(|three| three == b"://")
                .map_or(0, |at| at + 3);
            let rest = target.get(host..).unwrap_or_default();
            rest.iter()
                .position(|byte| *byte == b'/')
                .map_or(target.len(), |at| host + at)
        };
        let path = target.get(start..).unwrap_or_default();
        let end = path.iter().position(|byte| matches!(byte, b'?' | b'#'));
        path.get(..end.unwrap_or(path.len())).unwrap_or_default()
    }

    /// Returns the path with percent signs decoded; bytes that are not UTF-8 are replaced.
    pub(crate) fn path(&self) -> String {
        String::from_utf8_lossy(&decode(self.raw_path())).into_owned()
    }

    /// Returns the query as it was sent.
    pub(crate) fn query(&self) -> &[u8] {
        let start = self.target.iter().position(|byte| *byte == b'?').map(|at| at + 1);
        start.and_then(|at| self.target.get(at..)).unwrap_or_default()
    }
}
