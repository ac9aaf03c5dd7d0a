//! The request line and the headers.

use super::{
    percent::decode,
    request::{Fault, Request, Style, Version},
};
use crate::service::dialogue::Input;

/// The head of a request.
pub(super) enum Head {
    /// It is not complete.
    Incomplete,
    /// A head.
    Request(Box<Request>),
    /// It is wrong. The request has what was read before.
    Fault(Fault, Box<Request>),
}

/// The limits of a server: the request line, one header and all headers, in bytes.
fn limits(style: Style) -> (usize, usize, usize) {
    match style {
        // large_client_header_buffers: 4 of 8k.
        Style::Nginx => (8192, 8192, 32 * 1024),
        // MaxFieldLength and MaxRequestBytes.
        Style::HttpSys => (16 * 1024, 16 * 1024, 16 * 1024),
        // The real limit is 1 MB, more than an input.
        Style::Go => (60 * 1024, 60 * 1024, 60 * 1024),
        // http.max_initial_line_length and http.max_header_size.
        Style::Netty => (4096, 16 * 1024, 16 * 1024),
    }
}

/// The maximum number of lines with headers, which keeps a request small. Real clients send fewer than 40.
const HEADERS: usize = 128;

/// How much of a head that is not complete was read, so that it is not read again until there is a new line.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The number of bytes that were looked at.
    looked: usize,
    /// Where the last line starts, which has no end yet. It is zero if that is the request line.
    line: usize,
}

impl Progress {
    /// Returns whether the input still has no new line, and is within the limits.
    fn goes_on(&mut self, style: Style, bytes: &[u8]) -> bool {
        let (_, most_header, most) = limits(style);
        let new = bytes.get(self.looked..).unwrap_or(bytes);
        let is_within = bytes.len() < most && bytes.len().saturating_sub(self.line) < most_header;
        let goes_on = self.line > 0 && is_within && !new.contains(&b'\n');
        self.looked = bytes.len();
        goes_on
    }
}

/// Takes a head from the input.
pub(super) fn read(style: Style, input: &mut Input, progress: &mut Progress) -> Head {
    if progress.goes_on(style, input.bytes()) {
        return Head::Incomplete;
    }
    progress.line = 0;
    if style != Style::Go {
        let empty = input
            .bytes()
            .iter()
            .take_while(|byte| matches!(byte, b'\r' | b'\n'))
            .count();
        input.take(empty);
    }
    let (most_line, most_header, most) = limits(style);
    let mut request = Box::new(Request::default());
    let bytes = input.bytes();
    let Some(end) = bytes.iter().take(most_line).position(|byte| *byte == b'\n') else {
        if bytes.len() >= most_line {
            return Head::Fault(Fault::LongLine, request);
        }
        let is_early = matches!(style, Style::Nginx | Style::HttpSys);
        return match early_fault(style, bytes) {
            Some(fault) if is_early => Head::Fault(fault, request),
            _ => Head::Incomplete,
        };
    };
    let line = without_end(bytes.get(..end).unwrap_or_default());
    if let Err(fault) = read_line(style, line, &mut request) {
        return Head::Fault(fault, request);
    }
    let mut at = end + 1;
    if request.version == Version::Old {
        input.take(at);
        return Head::Request(request);
    }
    let mut lines = 0_usize;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            if rest.len() >= most_header || bytes.len() >= most {
                return Head::Fault(Fault::LongHeaders, request);
            }
            progress.line = at;
            return Head::Incomplete;
        };
        let line = without_end(rest.get(..end).unwrap_or_default());
        if line.len() >= most_header || at + end >= most {
            return Head::Fault(Fault::LongHeaders, request);
        }
        at += end + 1;
        if line.is_empty() {
            break;
        }
        lines += 1;
        if lines > HEADERS {
            return Head::Fault(Fault::LongHeaders, request);
        }
        match header(style, line) {
            Ok(Some(header)) => request.headers.push(header),
            Ok(None) => {}
            Err(fault) => return Head::Fault(fault, request),
        }
    }
    input.take(at);
    request.keeps_alive = keeps_alive(&request);
    match check_host(style, &request) {
        Ok(()) => Head::Request(request),
        Err(fault) => Head::Fault(fault, request),
    }
}

fn without_end(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Returns the fault in the beginning of a request line.
fn early_fault(style: Style, bytes: &[u8]) -> Option<Fault> {
    let method = bytes.split(|byte| *byte == b' ').next().unwrap_or_default();
    if !method.iter().all(|byte| is_method(style, *byte)) || bytes.first() == Some(&b' ') {
        return Some(Fault::Method);
    }
    let rest = bytes.get(method.len()..).unwrap_or_default();
    let target = rest.trim_ascii_start();
    let wrong = |byte: &u8| *byte < 0x20 && *byte != b'\r' || *byte == 0x7f;
    (target.iter().any(wrong) || target.first().is_some_and(|first| !is_start(style, *first))).then_some(Fault::Target)
}

fn is_method(style: Style, byte: u8) -> bool {
    match style {
        Style::Nginx => byte.is_ascii_uppercase() || matches!(byte, b'_' | b'-'),
        _ => is_token(byte),
    }
}

/// A byte of a token (RFC 9110 section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_start(style: Style, byte: u8) -> bool {
    byte == b'/' || byte.is_ascii_alphabetic() || (byte == b'*' && style != Style::Nginx)
}

fn read_line(style: Style, line: &[u8], request: &mut Request) -> Result<(), Fault> {
    if let (Some(fault), true) = (early_fault(style, line), style != Style::Netty) {
        return Err(fault);
    }
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let (method, target, version) = (words.next(), words.next(), words.next());
    let (Some(method), Some(target)) = (method, target) else {
        return Err(Fault::Line);
    };
    let method = String::from_utf8_lossy(method).into_owned();
    request.version = match version {
        None if style == Style::Nginx && method == "GET" => Version::Old,
        Some(b"HTTP/1.0") => Version::Ten,
        Some([b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor]) if minor.is_ascii_digit() => Version::Eleven,
        Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor])
            if matches!(major, b'2'..=b'9') && minor.is_ascii_digit() =>
        {
            return Err(Fault::Version);
        }
        None | Some(_) => return Err(Fault::Line),
    };
    if words.next().is_some() {
        return Err(Fault::Line);
    }
    request.method = method;
    request.target = target.to_vec();
    let is_connect = request.method == "CONNECT" && style == Style::Nginx;
    if is_connect || (style == Style::Nginx && is_wrong_path(request)) {
        return Err(Fault::Target);
    }
    Ok(())
}

/// Returns whether nginx refuses the path: a wrong percent sign, a zero byte, or more `..` than directories.
fn is_wrong_path(request: &Request) -> bool {
    let raw = request.raw_path();
    let is_percent_wrong = raw.iter().enumerate().any(|(at, byte)| {
        let digits = raw.get(at + 1..at + 3);
        *byte == b'%' && !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    let path = decode(raw);
    let mut depth = 0_i32;
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => depth -= 1,
            _ => depth += 1,
        }
        if depth < 0 {
            return true;
        }
    }
    is_percent_wrong || path.contains(&0)
}

/// Reads a header. nginx ignores one without a colon or with a wrong name.
fn header(style: Style, line: &[u8]) -> Result<Option<(String, Vec<u8>)>, Fault> {
    let is_lenient = matches!(style, Style::Nginx | Style::Netty);
    let colon = line.iter().position(|byte| *byte == b':');
    let name = line.get(..colon.unwrap_or(line.len())).unwrap_or_default();
    let value = line.get(name.len() + 1..).unwrap_or_default().trim_ascii();
    if name.is_empty() || line.contains(&0) || name.iter().any(|byte| *byte <= b' ' || *byte == 0x7f) {
        return Err(Fault::Header);
    }
    if colon.is_none() || !name.iter().all(|byte| is_token(*byte)) {
        return if is_lenient { Ok(None) } else { Err(Fault::Header) };
    }
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    Ok(Some((name, value.to_vec())))
}

fn keeps_alive(request: &Request) -> bool {
    let value = request.text("connection").unwrap_or_default().to_ascii_lowercase();
    let mut options = value.split(',').map(str::trim);
    match request.version {
        Version::Old => false,
        Version::Ten => options.any(|option| option == "keep-alive"),
        Version::Eleven => !options.any(|option| option == "close"),
    }
}

fn check_host(style: Style, request: &Request) -> Result<(), Fault> {
    let hosts: Vec<&[u8]> = request
        .headers
        .iter()
        .filter(|(name, _)| name == "host")
        .map(|(_, value)| value.as_slice())
        .collect();
    let is_required = request.version == Version::Eleven && style != Style::Netty;
    let is_wrong = |host: &&[u8]| {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:[]%~".contains(byte) || *byte >= 0x80;
        !host.iter().all(is_part) || (host.is_empty() && style == Style::Nginx)
    };
    match hosts.as_slice() {
        [] if is_required => Err(Fault::Host),
        [_, _, ..] if style != Style::Netty => Err(Fault::Host),
        [host] if style != Style::Netty && is_wrong(host) => Err(Fault::Host),
        _ => Ok(()),
    }
}
