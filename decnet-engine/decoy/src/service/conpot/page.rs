//! The web page of a device.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    super::{
        dialogue::{Dialogue, Input, Turn},
        event::{Event, Request, Text},
    },
    device::{Device, Template},
};

/// The longest head and body of a request.
const MOST: usize = 16 * 1024;

/// A small web server, which closes the connection after each answer.
struct Page {
    device: Device,
}

/// Starts a conversation.
pub(super) fn new(device: Device) -> Box<dyn Dialogue> {
    Box::new(Page { device })
}

/// A request.
struct Asked<'a> {
    method: &'a str,
    path: &'a str,
    agent: Option<&'a [u8]>,
    authorization: Option<&'a [u8]>,
    body: &'a [u8],
}

impl Dialogue for Page {
    fn receive(&mut self, input: &mut Input, turn: &mut Turn) {
        let mut headers = [httparse::EMPTY_HEADER; 48];
        let mut request = httparse::Request::new(&mut headers);
        let bytes = input.bytes().to_vec();
        let head = match request.parse(&bytes) {
            Ok(httparse::Status::Complete(head)) => head,
            Ok(httparse::Status::Partial) if bytes.len() < MOST => return,
            _ => {
                turn.report(Event::probe("not this protocol", &input.take_all()));
                turn.send(answer("400 Bad Request", "", "<HTML><BODY>Bad Request</BODY></HTML>"));
                return turn.close();
            }
        };
        let header = |name: &str| {
            let found = request
                .headers
                .iter()
                .find(|header| header.name.eq_ignore_ascii_case(name));
            found.map(|header| header.value)
        };
        let length = header("content-length").and_then(|value| std::str::from_utf8(value).ok()?.trim().parse().ok());
        let length: usize = length.unwrap_or(0);
        let rest = bytes.get(head..).unwrap_or_default();
        if rest.len() < length.min(MOST) {
            return;
        }
        let asked = Asked {
            method: request.method.unwrap_or_default(),
            path: request.path.unwrap_or_default(),
            agent: header("user-agent"),
            authorization: header("authorization"),
            body: rest.get(..length).unwrap_or(rest),
        };
        self.respond(&asked, turn);
        input.take_all();
        turn.close();
    }

    fn finish(&mut self, input: &mut Input, turn: &mut Turn) {
        if !input.bytes().is_empty() {
            turn.report(Event::probe("partial request", &input.take_all()));
        }
    }
}

impl Page {
    fn respond(&self, asked: &Asked<'_>, turn: &mut Turn) {
        if let Some((user, password)) = asked.authorization.and_then(basic) {
            turn.report(Event::password("basic", &user, &password, false));
        }
        let (path, _) = asked.path.split_once('?').unwrap_or((asked.path, ""));
        let (status, answer) = match (self.device.template, asked.method, path) {
            // The form of Siemens' login.
            (Template::S71200, "POST", "/FormLogin") => {
                let field = |name: &str| field(asked.body, name).unwrap_or_default();
                turn.report(Event::password("form", &field("Login"), &field("Password"), false));
                (302, moved("/Portal/Portal.mwsl?PriNav=Start"))
            }
            (Template::S71200, "GET" | "HEAD", "/") => (302, moved("/Default.mwsl")),
            (Template::S71200, "GET" | "HEAD", "/Default.mwsl") => (302, moved("/Portal/Portal.mwsl?PriNav=Start")),
            (Template::S7200, "GET" | "HEAD", "/") => (302, portal_moved()),
            (Template::S71200, "GET" | "HEAD", "/Portal/Portal.mwsl")
            | (Template::S7200, "GET" | "HEAD", "/Portal0000.htm") => (200, self.page()),
            (Template::S7200 | Template::S71200, ..) => (404, not_found()),
            (_, "GET" | "HEAD", "/" | "/index.html") => (200, self.page()),
            _ => (404, not_found()),
        };
        let mut answer = answer;
        if asked.method == "HEAD" {
            let head = answer.windows(4).position(|end| end == b"\r\n\r\n");
            answer.truncate(head.map_or(answer.len(), |at| at + 4));
        }
        turn.report(Event::Request(Request {
            method: asked.method.into(),
            target: Some(asked.path.into()),
            status: Some(status),
            agent: asked.agent.map(Text::from),
            body: Some(asked.body)
                .filter(|body| !body.is_empty() && path != "/FormLogin")
                .map(Text::from),
        }));
        turn.send(answer);
    }

    fn page(&self) -> Vec<u8> {
        let device = &self.device;
        let (vendor, product, module) = (device.vendor, device.product, device.module);
        let (name, serial, version) = (escaped(&device.name), escaped(&device.serial), escaped(&device.version));
        let login = if device.template == Template::S71200 {
            "<form method=\"post\" action=\"/FormLogin\" id=\"Login_Area_Form\">\
             <input type=\"text\" name=\"Login\" value=\"\"/><input type=\"password\" name=\"Password\" value=\"\"/>\
             <input type=\"hidden\" name=\"Redirection\" value=\"/Portal/Portal.mwsl?PriNav=Start\"/>\
             <input type=\"submit\" value=\"Login\"/></form>\r\n"
        } else {
            ""
        };
        let row = |label: &str, value: &str| format!("<tr><td>{label}</td><td>{value}</td></tr>\r\n");
        let rows = [
            row("Station name", &name),
            row("Module", module),
            row("Order number", product),
            row("Serial number", &serial),
            row("Firmware version", &version),
            row("Operating state", "RUN"),
        ]
        .concat();
        let title = if device.is_siemens() { "SIMATIC" } else { vendor };
        let body = format!(
            "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\">\r\n<html>\r\n<head><title>{title} - {name}</title></head>\r\n\
             <body>\r\n<h1>{vendor} {module}</h1>\r\n{login}<table>\r\n{rows}</table>\r\n</body>\r\n</html>\r\n"
        );
        answer("200 OK", "", &body)
    }
}

/// Writes an answer as the small servers of devices do.
fn answer(status: &str, more: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.0 {status}\r\nContent-Type:text/html\r\nContent-Length: {length}\r\nConnection: close\r\n{more}\r\n{body}"
    )
    .into_bytes()
}

fn not_found() -> Vec<u8> {
    answer(
        "404 Not Found",
        "",
        "<HTML><HEAD><TITLE>Error</TITLE></HEAD>\r\n<BODY><CENTER><H2>404 : NOT FOUND</H2></CENTER></BODY></HTML>",
    )
}

fn moved(to: &str) -> Vec<u8> {
    answer("302 Object Moved", &format!("Location: {to}\r\n"), "")
}

/// The answer of a communication processor.
fn portal_moved() -> Vec<u8> {
    "HTTP/1.0 302\r\nLocation: /Portal0000.htm\r\nContent-Type: text/html\r\n\r\n<HTML><HEAD><TITLE>Error</TITLE></HEAD>\r\n\
     <BODY><CENTER><H2>/<BR><BR>302 : MOVED TEMPORARILY</H2></CENTER></BODY></HTML>"
        .into()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Returns the user and the password of a Basic login (RFC 7617).
fn basic(value: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (scheme, token) = value.split_at_checked(6)?;
    let token = token.trim_ascii();
    let text = STANDARD
        .decode(token)
        .ok()
        .filter(|_| scheme.eq_ignore_ascii_case(b"basic "))?;
    let colon = text.iter().position(|byte| *byte == b':')?;
    Some((text.get(..colon)?.to_vec(), text.get(colon + 1..)?.to_vec()))
}

/// Returns a field of a form.
fn field(body: &[u8], name: &str) -> Option<Vec<u8>> {
    let value = body.split(|byte| *byte == b'&').find_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        (pair.get(..at)? == name.as_bytes()).then(|| pair.get(at + 1..).unwrap_or_default())
    })?;
    let mut decoded = Vec::new();
    let mut rest = value;
    while let [first, others @ ..] = rest {
        rest = others;
        let digits = others.first_chunk::<2>().filter(|_| *first == b'%');
        let byte = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        if byte.is_some() {
            rest = others.get(2..).unwrap_or_default();
        }
        decoded.push(byte.unwrap_or(if *first == b'+' { b' ' } else { *first }));
    }
    Some(decoded)
}
