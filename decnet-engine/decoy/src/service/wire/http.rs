//! HTTP/1.1 (RFC 9112): requests as different servers read them, and answers with headers in their order and case.
//!
//! Servers differ most in what they refuse, so the reader has a [`Style`], and a [`Fault`] names what was wrong.

pub(crate) mod go;
mod head;
mod json;
mod percent;
mod request;
mod response;
mod serve;
mod value;

use sha2::{Digest, Sha256};

pub(crate) use self::{
    json::{indented, quoted},
    request::{Fault, Request, Style, Version},
    response::{Response, date, hex},
    serve::{Server, finish, report_wrong, serve},
    value::{form, query_value, report},
};
use super::super::dialogue::Input;

/// The next thing that a visitor's bytes mean.
#[derive(Debug)]
pub(crate) enum Read {
    /// The request is not complete.
    Incomplete,
    /// The visitor waits for `100 Continue` before it sends the body.
    Expects,
    /// A request.
    Request(Box<Request>),
    /// A request that no server can read, as far as it was read. Its method is empty if it does not look like HTTP. The
    /// connection must close.
    Fault(Fault, Box<Request>),
}

/// The rest of a body.
#[derive(Debug, Clone, Copy)]
enum Rest {
    Bytes(u64),
    ChunkSize,
    Chunk(u64),
    ChunkEnd,
    Trailers,
}

/// A request whose body is not complete.
#[derive(Debug)]
struct Pending {
    request: Box<Request>,
    rest: Rest,
    hash: Sha256,
}

/// Reads requests one after the other.
#[derive(Debug)]
pub(crate) struct Reader {
    style: Style,
    most: u64,
    progress: head::Progress,
    pending: Option<Pending>,
}

impl Reader {
    /// The number of bytes of a body that are kept.
    const KEPT: usize = 16 * 1024;
    /// The maximum length of a chunk's size or of a trailer.
    const CHUNK_LINE: usize = 1024;

    /// Creates a reader. `most` is the server's limit for bodies, in bytes.
    pub(crate) fn new(style: Style, most: u64) -> Self {
        Self {
            style,
            most,
            progress: head::Progress::default(),
            pending: None,
        }
    }

    /// Takes the next request from the input.
    pub(crate) fn next(&mut self, input: &mut Input) -> Read {
        if self.pending.is_none() {
            let head = match head::read(self.style, input, &mut self.progress) {
                head::Head::Incomplete => return Read::Incomplete,
                head::Head::Fault(fault, request) => return Read::Fault(fault, request),
                head::Head::Request(request) => request,
            };
            let rest = match self.body_of(&head) {
                Ok(rest) => rest,
                Err(fault) => return Read::Fault(fault, head),
            };
            let is_expected = head
                .text("expect")
                .is_some_and(|value| value.eq_ignore_ascii_case("100-continue"));
            self.pending = Some(Pending {
                request: head,
                rest,
                hash: Sha256::new(),
            });
            let has_body = !matches!(rest, Rest::Bytes(0));
            if is_expected && has_body && self.style != Style::Nginx {
                return Read::Expects;
            }
        }
        self.read_body(input)
    }

    /// Returns a request whose body ended too early.
    pub(crate) fn unfinished(&mut self) -> Option<Box<Request>> {
        self.pending.take().map(|pending| pending.request)
    }

    /// Returns how the body is sent.
    fn body_of(&self, request: &Request) -> Result<Rest, Fault> {
        let lengths: Vec<&[u8]> = request
            .headers
            .iter()
            .filter(|(name, _)| name == "content-length")
            .map(|(_, value)| value.as_slice())
            .collect();
        if let Some(encoding) = request.header("transfer-encoding") {
            if !encoding.eq_ignore_ascii_case(b"chunked") {
                return Err(Fault::Encoding);
            }
            let is_refused = self.style == Style::Nginx && request.version == Version::Ten;
            return if lengths.is_empty() && !is_refused {
                Ok(Rest::ChunkSize)
            } else {
                Err(Fault::Length)
            };
        }
        let Some(first) = lengths.first() else {
            return Ok(Rest::Bytes(0));
        };
        let digits = std::str::from_utf8(first)
            .ok()
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let length = digits.and_then(|text| text.parse().ok()).ok_or(Fault::Length)?;
        if lengths.len() > 1 {
            Err(Fault::Length)
        } else if length > self.most {
            Err(Fault::Large)
        } else {
            Ok(Rest::Bytes(length))
        }
    }

    /// Takes the body, or as much of it as there is.
    fn read_body(&mut self, input: &mut Input) -> Read {
        let Some(mut pending) = self.pending.take() else {
            return Read::Incomplete;
        };
        loop {
            match pending.rest {
                Rest::Bytes(0) => {
                    pending.request.sha256 = hex(&pending.hash.finalize());
                    return Read::Request(pending.request);
                }
                Rest::Bytes(left) => match pending.take(left, input) {
                    Some(left) => pending.rest = Rest::Bytes(left),
                    None => break,
                },
                Rest::ChunkSize => match httparse::parse_chunk_size(input.bytes()) {
                    Ok(httparse::Status::Complete((line, 0))) => {
                        input.take(line);
                        pending.rest = Rest::Trailers;
                    }
                    Ok(httparse::Status::Complete((line, size))) => {
                        if size > self.most.saturating_sub(pending.request.length) {
                            return Read::Fault(Fault::Large, pending.request);
                        }
                        input.take(line);
                        pending.rest = Rest::Chunk(size);
                    }
                    Ok(httparse::Status::Partial) if input.bytes().len() <= Self::CHUNK_LINE => break,
                    _ => return Read::Fault(Fault::Chunk, pending.request),
                },
                Rest::Chunk(0) => pending.rest = Rest::ChunkEnd,
                Rest::Chunk(left) => match pending.take(left, input) {
                    Some(left) => pending.rest = Rest::Chunk(left),
                    None => break,
                },
                Rest::ChunkEnd => match input.bytes() {
                    [b'\n', ..] => {
                        input.take(1);
                        pending.rest = Rest::ChunkSize;
                    }
                    [b'\r', b'\n', ..] => {
                        input.take(2);
                        pending.rest = Rest::ChunkSize;
                    }
                    [] | [b'\r'] => break,
                    _ => return Read::Fault(Fault::Chunk, pending.request),
                },
                Rest::Trailers => match input.bytes().iter().position(|byte| *byte == b'\n') {
                    Some(end) => {
                        let line = input.take(end + 1);
                        if line.as_slice() == b"\n" || line.as_slice() == b"\r\n" {
                            pending.rest = Rest::Bytes(0);
                        }
                    }
                    None if input.bytes().len() <= Self::CHUNK_LINE => break,
                    None => return Read::Fault(Fault::Chunk, pending.request),
                },
            }
        }
        self.pending = Some(pending);
        Read::Incomplete
    }
}

impl Pending {
    /// Takes at most `left` bytes of the body. Returns how many are missing, or none if there is no input.
    fn take(&mut self, left: u64, input: &mut Input) -> Option<u64> {
        let part = input.take(usize::try_from(left).unwrap_or(usize::MAX));
        if part.is_empty() {
            return None;
        }
        self.hash.update(&part);
        let room = Reader::KEPT.saturating_sub(self.request.body.len());
        self.request.body.extend(part.iter().take(room));
        let taken = u64::try_from(part.len()).unwrap_or(u64::MAX);
        self.request.length = self.request.length.saturating_add(taken);
        Some(left.saturating_sub(taken))
    }
}

#[cfg(test)]
mod tests;
