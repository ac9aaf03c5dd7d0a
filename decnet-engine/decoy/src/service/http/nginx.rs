//! The answers of nginx, as Debian packages it.

use jiff::Timestamp;

use super::site::{Answer, Site, escaped};
use crate::service::wire::http::{Fault, Request, Response, Version, date};

/// Returns whether the connection stays open.
pub(super) fn keeps_alive(site: &Site, request: &Request) -> bool {
    request.keeps_alive && (site.is_iis || request.method != "TRACE")
}

/// Returns an answer.
pub(super) fn render(site: &Site, request: &Request, answer: Answer, now: Timestamp) -> Response {
    let connection = if keeps_alive(site, request) {
        "keep-alive"
    } else {
        "close"
    };
    let start = |status: &str| {
        Response::new(status)
            .header("Server", &site.server)
            .header("Date", date(now))
    };
    let modified = date(site.installed);
    match answer {
        Answer::File(bytes, kind) => {
            let tag = site.tag(bytes.len());
            start("200 OK")
                .header("Content-Type", kind)
                .header("Content-Length", bytes.len().to_string())
                .header("Last-Modified", modified)
                .header("Connection", connection)
                .header("ETag", tag)
                .header("Accept-Ranges", "bytes")
                .body(bytes)
        }
        Answer::Part(bytes, first, last, length) => start("206 Partial Content")
            .header("Content-Type", "text/html")
            .header("Content-Length", bytes.len().to_string())
            .header("Last-Modified", modified)
            .header("Connection", connection)
            .header("ETag", site.tag(length))
            .header("Content-Range", format!("bytes {first}-{last}/{length}"))
            .body(bytes),
        Answer::Same => start("304 Not Modified")
            .header("Last-Modified", modified)
            .header("Connection", connection)
            .header("ETag", site.tag(site.front().len())),
        Answer::Page(page) => start("200 OK")
            .header("Content-Type", "text/html; charset=utf-8")
            .header("Content-Length", page.len().to_string())
            .header("Connection", connection)
            .body(page),
        Answer::Moved(path) => {
            let page = error(site, "301 Moved Permanently", "");
            start("301 Moved Permanently")
                .header("Content-Type", "text/html")
                .header("Content-Length", page.len().to_string())
                .header("Location", site.address(request, path))
                .header("Connection", connection)
                .body(page)
        }
        Answer::NoPart(length) => {
            let page = error(site, "416 Requested Range Not Satisfiable", "") + padding(request);
            start("416 Requested Range Not Satisfiable")
                .header("Content-Type", "text/html")
                .header("Content-Length", page.len().to_string())
                .header("Connection", connection)
                .header("Content-Range", format!("bytes */{length}"))
                .body(page)
        }
        Answer::Error(_) | Answer::Methods => {
            let (status, title) = match answer {
                Answer::Error(401) => ("401 Unauthorized", "401 Authorization Required"),
                Answer::Error(403) => ("403 Forbidden", "403 Forbidden"),
                Answer::Error(404) => ("404 Not Found", "404 Not Found"),
                _ => ("405 Not Allowed", "405 Not Allowed"),
            };
            let page = error(site, title, "") + padding(request);
            let challenge = (status == "401 Unauthorized").then(|| challenge(site));
            start(status)
                .header("Content-Type", "text/html")
                .header("Content-Length", page.len().to_string())
                .header("Connection", connection)
                .maybe("WWW-Authenticate", challenge.as_deref())
                .body(page)
        }
    }
}

/// The value of `WWW-Authenticate`.
pub(super) fn challenge(site: &Site) -> String {
    let realm = site.realm.as_deref().unwrap_or_default();
    format!("Basic realm=\"{}\"", realm.replace('"', "\\\""))
}

/// Returns the answer to a request that cannot be read.
pub(super) fn fault(site: &Site, fault: Fault, now: Timestamp) -> Response {
    let (title, text) = match fault {
        Fault::LongLine => ("414 Request-URI Too Large", ""),
        Fault::LongHeaders => ("400 Bad Request", "Request Header Or Cookie Too Large"),
        Fault::Version => ("505 HTTP Version Not Supported", ""),
        Fault::Encoding => ("501 Not Implemented", ""),
        Fault::Large => ("413 Request Entity Too Large", ""),
        _ => ("400 Bad Request", ""),
    };
    closing(site, title, text, now)
}

/// Returns the answer to plain HTTP on a port with TLS.
pub(super) fn plain_on_tls(site: &Site, now: Timestamp) -> Response {
    let text = "The plain HTTP request was sent to HTTPS port";
    closing(site, "400 Bad Request", text, now)
}

fn closing(site: &Site, title: &str, text: &str, now: Timestamp) -> Response {
    let page = error(site, title, text);
    Response::new(title)
        .header("Server", &site.server)
        .header("Date", date(now))
        .header("Content-Type", "text/html")
        .header("Content-Length", page.len().to_string())
        .header("Connection", "close")
        .body(page)
}

/// An error page. `text` is a second line, which the title has too.
fn error(site: &Site, title: &str, text: &str) -> String {
    let (head, line) = if text.is_empty() {
        (title.to_owned(), String::new())
    } else {
        (format!("400 {text}"), format!("<center>{text}</center>\r\n"))
    };
    format!(
        "<html>\r\n<head><title>{head}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n{line}\
        <hr><center>{}</center>\r\n</body>\r\n</html>\r\n",
        site.server
    )
}

/// The comment that nginx adds for browsers that hide short error pages.
fn padding(request: &Request) -> &'static str {
    let agent = request.text("user-agent").unwrap_or_default();
    let is_padded = agent.contains("Chrome/") || agent.contains("MSIE ");
    if is_padded && request.version != Version::Old {
        "<!-- a padding to disable MSIE and Chrome friendly error page -->\r\n\
        <!-- a padding to disable MSIE and Chrome friendly error page -->\r\n\
        <!-- a padding to disable MSIE and Chrome friendly error page -->\r\n\
        <!-- a padding to disable MSIE and Chrome friendly error page -->\r\n\
        <!-- a padding to disable MSIE and Chrome friendly error page -->\r\n\
        <!-- a padding to disable MSIE and Chrome friendly error page -->\r\n"
    } else {
        ""
    }
}

/// The front page of the package. Its style changed with nginx 1.22.
pub(super) fn front(title: Option<&str>, server: &str) -> String {
    let title = escaped(title.unwrap_or("Welcome to nginx!"));
    let is_old = ["/1.14", "/1.16", "/1.18", "/1.20"]
        .iter()
        .any(|version| server.contains(version));
    let style = if is_old {
        "    body {\n        width: 35em;\n        margin: 0 auto;\n        font-family: Tahoma, Verdana, Arial, sans-serif;\n    }\n"
    } else {
        "html { color-scheme: light dark; }\nbody { width: 35em; margin: 0 auto;\n\
        font-family: Tahoma, Verdana, Arial, sans-serif; }\n"
    };
    format!(
        "<!DOCTYPE html>\n<html>\n<head>\n<title>{title}</title>\n<style>\n{style}</style>\n</head>\n<body>\n\
        <h1>{title}</h1>\n<p>If you see this page, the nginx web server is successfully installed and\nworking. Further \
        configuration is required.</p>\n\n<p>For online documentation and support please refer to\n\
        <a href=\"http://nginx.org/\">nginx.org</a>.<br/>\nCommercial support is available at\n\
        <a href=\"http://nginx.com/\">nginx.com</a>.</p>\n\n<p><em>Thank you for using nginx.</em></p>\n</body>\n</html>\n"
    )
}
