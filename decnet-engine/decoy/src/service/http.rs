//! A web site on port 80: nginx of the persona's release, or IIS 10 on Windows.
//!
//! The answers to wrong requests, the order of headers and the error pages are those of Debian's nginx 1.22.1 and of IIS on
//! Windows Server 2019. A POST with user and password, and the header `Authorization`, are login attempts; no login succeeds.

mod iis;
mod nginx;
pub(super) mod site;

use std::time::Duration;

use jiff::Timestamp;

use self::site::{Answer, Site, escaped};
use super::{
    context::Context,
    dialogue::{Dialogue, Input, Turn},
    wire::http::{
        Fault, Read, Reader, Request, Response, Server, Version, date, finish, form, report, report_wrong, serve,
    },
};

/// Starts a conversation.
pub(super) fn new(context: &Context) -> Box<dyn Dialogue> {
    Box::new(Site::new(context, "http", context.session.local.to_string()))
}

impl Site {
    /// Returns the answer to a request.
    fn decide(&self, request: &Request) -> Answer {
        if self.realm.is_some() {
            return Answer::Error(401);
        }
        match request.method.as_str() {
            "OPTIONS" if self.is_iis => return Answer::Methods,
            "TRACE" => return Answer::Error(if self.is_iis { 501 } else { 405 }),
            _ => {}
        }
        let is_read = matches!(request.method.as_str(), "GET" | "HEAD");
        let path = normal(&request.path());
        let path = if self.is_iis { path.to_ascii_lowercase() } else { path };
        match path.as_str() {
            "/login" if is_read => Answer::Page(self.login("")),
            "/login" if request.method == "POST" => {
                let is_filled = form(&request.body).iter().any(|(_, value)| !value.is_empty());
                let note = if is_filled { "Invalid username or password." } else { "" };
                Answer::Page(self.login(note))
            }
            "/" if is_read => self.file(request, self.front().into_bytes(), "text/html"),
            "/robots.txt" if is_read => {
                let text = b"User-agent: *\nDisallow: /admin/\nDisallow: /login\n";
                self.file(request, text.to_vec(), "text/plain")
            }
            path if path == self.index() && is_read => self.file(request, self.front().into_bytes(), "text/html"),
            "/admin" if is_read => Answer::Moved("/admin/"),
            "/admin/" if is_read => Answer::Error(403),
            path if ["/", "/login", "/robots.txt", "/admin", "/admin/", self.index()].contains(&path) => {
                Answer::Error(405)
            }
            _ => Answer::Error(404),
        }
    }

    /// The name of the front page's file.
    fn index(&self) -> &'static str {
        match (&self.page, self.is_iis) {
            (Some(_), _) => "/index.html",
            (None, true) => "/iisstart.htm",
            (None, false) => "/index.nginx-debian.html",
        }
    }

    fn front(&self) -> String {
        match &self.page {
            Some(page) => page.clone(),
            None if self.is_iis => iis::front(self.title.as_deref()),
            None => nginx::front(self.title.as_deref(), &self.server),
        }
    }

    /// The page with the login form.
    fn login(&self, note: &str) -> String {
        let title = escaped(self.title.as_deref().unwrap_or(&self.hostname));
        let note = if note.is_empty() {
            String::new()
        } else {
            format!("<p class=\"error\">{note}</p>\n")
        };
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title} - Sign in</title>\n\
            </head>\n<body>\n<h1>{title}</h1>\n{note}<form method=\"post\" action=\"/login\">\n\
            <label>Username <input type=\"text\" name=\"username\" autofocus></label>\n\
            <label>Password <input type=\"password\" name=\"password\"></label>\n\
            <button type=\"submit\">Sign in</button>\n</form>\n</body>\n</html>\n"
        )
    }

    /// Returns a file, or the part of it that the visitor asks for (RFC 9110 sections 13 and 14).
    fn file(&self, request: &Request, bytes: Vec<u8>, kind: &'static str) -> Answer {
        let tag = self.tag(bytes.len());
        let is_same = match request.text("if-none-match") {
            Some(tags) => tags == "*" || tags.split(',').any(|one| one.trim().trim_start_matches("W/") == tag),
            None => request.text("if-modified-since") == Some(date(self.installed).as_str()),
        };
        if is_same {
            return Answer::Same;
        }
        let range = request.text("range").and_then(|range| range.strip_prefix("bytes="));
        let Some((first, last)) = range.and_then(|range| range.split_once('-')) else {
            return Answer::File(bytes, kind);
        };
        let end = bytes.len().saturating_sub(1);
        let (first, last) = match (first.trim().parse::<usize>(), last.trim().parse::<usize>()) {
            (Ok(first), Ok(last)) if first <= last => (first, last.min(end)),
            (Ok(first), Err(_)) if last.trim().is_empty() => (first, end),
            (Err(_), Ok(count)) if first.trim().is_empty() => (bytes.len().saturating_sub(count), end),
            _ => return Answer::File(bytes, kind),
        };
        match bytes.get(first..=last) {
            Some(part) if !part.is_empty() => Answer::Part(part.to_vec(), first, last, bytes.len()),
            _ => Answer::NoPart(bytes.len()),
        }
    }

    fn fault(&self, fault: Fault, now: Timestamp) -> Response {
        if self.is_iis {
            iis::fault(fault, now)
        } else {
            nginx::fault(self, fault, now)
        }
    }
}

impl Server for Site {
    fn reader(&mut self) -> &mut Reader {
        &mut self.reader
    }

    fn answer(&mut self, request: &Request, turn: &mut Turn) {
        let answer = self.decide(request);
        let response = if self.is_iis {
            iis::render(self, request, answer, turn.now())
        } else {
            nginx::render(self, request, answer, turn.now())
        };
        report(request, response.status(), false, turn);
        if request.version == Version::Old {
            turn.send(response.into_body());
        } else {
            turn.send(response.bytes(request.is_head()));
        }
        if !nginx::keeps_alive(self, request) {
            turn.close();
        }
    }

    fn refusal(&self, fault: Fault, request: &Request, now: Timestamp) -> (u16, Vec<u8>) {
        let response = self.fault(fault, now);
        (response.status(), response.bytes(request.is_head()))
    }
}

impl Dialogue for Site {
    fn open(&mut self, turn: &mut Turn) {
        // keepalive_timeout 75 (nginx's default); connectionTimeout 120.
        turn.allow_silence(Duration::from_secs(if self.is_iis { 120 } else { 75 }));
    }

    fn receive(&mut self, input: &mut Input, turn: &mut Turn) {
        serve(self, input, turn);
    }

    fn finish(&mut self, input: &mut Input, turn: &mut Turn) {
        finish(self, input, turn);
    }

    /// nginx answers to plain HTTP on a port with TLS; HTTP.sys closes.
    fn unsecured(&mut self, input: &mut Input, turn: &mut Turn) {
        let (response, request) = match self.reader.next(input) {
            Read::Request(request) => (nginx::plain_on_tls(self, turn.now()), request),
            Read::Fault(fault, request) => (self.fault(fault, turn.now()), request),
            Read::Incomplete | Read::Expects => match self.reader.unfinished() {
                Some(request) => (nginx::plain_on_tls(self, turn.now()), request),
                None => return self.finish(input, turn),
            },
        };
        let status = if self.is_iis { 0 } else { response.status() };
        report_wrong(&request, status, input, turn);
        if self.is_iis {
            turn.close();
        } else if request.version == Version::Old {
            turn.send(response.into_body());
        } else {
            turn.send(response.bytes(request.is_head()));
        }
        turn.close();
    }
}

/// Returns the path without `.`, `..` and double slashes.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    let end = if path.ends_with('/') && !parts.is_empty() {
        "/"
    } else {
        ""
    };
    format!("/{}{end}", parts.join("/"))
}

#[cfg(test)]
mod tests;
