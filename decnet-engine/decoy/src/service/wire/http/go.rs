//! The answers of Go's `net/http`, on which the Docker engine and Kubernetes are built.

use jiff::Timestamp;

use super::{Fault, Request, Response, Version, date, serve::report_wrong};
use crate::service::dialogue::{Input, Turn};

/// The most bytes of a body that `net/http` buffers. Longer ones are sent in chunks.
const BUFFERED: usize = 2048;

/// The answer to plain HTTP on a port with TLS.
const PLAIN_ON_TLS: &str = "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

/// Returns an answer with the status text after `HTTP/1.1 `. The headers must be sorted, as Go sorts them.
pub(crate) fn answer(
    request: &Request,
    status: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    now: Timestamp,
) -> Vec<u8> {
    let is_ten = request.version == Version::Ten;
    let mut response = Response::new(status);
    if is_ten {
        response = response.ten();
    }
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response = response.header("Date", date(now));
    let has_no_body = status.starts_with("204") || status.starts_with("304");
    let is_chunked = body.len() > BUFFERED && !request.is_head();
    let mut body = body.to_vec();
    if !has_no_body && !is_chunked {
        response = response.header("Content-Length", body.len().to_string());
    }
    if is_ten && request.keeps_alive && !is_chunked {
        response = response.header("Connection", "keep-alive");
    } else if !is_ten && !request.keeps_alive {
        response = response.header("Connection", "close");
    }
    if is_chunked && !is_ten {
        response = response.header("Transfer-Encoding", "chunked");
        let start = format!("{:x}\r\n", body.len()).into_bytes();
        body = [start.as_slice(), &body, b"\r\n0\r\n\r\n"].concat();
    }
    response.body(body).bytes(request.is_head() || has_no_body)
}

/// Returns whether the connection stays open after [`answer`].
pub(crate) fn keeps_alive(request: &Request, body: &[u8]) -> bool {
    request.keeps_alive && !(request.version == Version::Ten && body.len() > BUFFERED)
}

/// Returns the answer to a request that cannot be read, and its status.
pub(crate) fn refusal(fault: Fault, request: &Request) -> (u16, Vec<u8>) {
    let hosts = request.headers.iter().filter(|(name, _)| name == "host").count();
    let (code, status, text) = match (fault, hosts) {
        (Fault::Host, 0) => {
            let text = "400 Bad Request: missing required Host header";
            (400, text, text)
        }
        (Fault::Host, 1) => {
            let text = "400 Bad Request: malformed Host header";
            (400, text, text)
        }
        (Fault::Version, _) => {
            let text = "505 HTTP Version Not Supported: unsupported protocol version";
            (505, text, text)
        }
        (Fault::Encoding, _) => (501, "501 Not Implemented", "Unsupported transfer encoding"),
        (Fault::LongLine | Fault::LongHeaders, _) => {
            let text = "431 Request Header Fields Too Large";
            (431, text, text)
        }
        _ => (400, "400 Bad Request", "400 Bad Request"),
    };
    let answer =
        format!("HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n{text}");
    (code, answer.into_bytes())
}

/// Answers to a visitor who does not speak TLS on a port that starts with TLS: only HTTP gets an answer.
pub(crate) fn unsecured(input: &mut Input, turn: &mut Turn) {
    let methods = [&b"GET /"[..], b"HEAD ", b"POST ", b"PUT /", b"OPTIO"];
    let is_http = input.bytes().get(..5).is_some_and(|start| methods.contains(&start));
    let mut words = input.bytes().split(u8::is_ascii_whitespace);
    let mut word = || words.next().map(<[u8]>::to_vec).unwrap_or_default();
    let mut request = Request::default();
    if is_http {
        request.method = String::from_utf8_lossy(&word()).into_owned();
        request.target = word();
        turn.send(PLAIN_ON_TLS);
    }
    report_wrong(&request, 400, input, turn);
    turn.close();
}
