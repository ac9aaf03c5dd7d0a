//! The answers of IIS 10 and of HTTP.sys, which answers before IIS does.

use jiff::Timestamp;

use super::{
    nginx,
    site::{Answer, Site, escaped},
};
use crate::service::wire::http::{Fault, Request, Response, date};

/// Returns an answer.
pub(super) fn render(site: &Site, request: &Request, answer: Answer, now: Timestamp) -> Response {
    let modified = date(site.installed);
    let end = |response: Response, body: Vec<u8>| {
        response
            .header("Server", &site.server)
            .header("Date", date(now))
            .maybe("Connection", (!request.keeps_alive).then_some("close"))
            .header("Content-Length", body.len().to_string())
            .body(body)
    };
    match answer {
        Answer::File(bytes, kind) => {
            let start = Response::new("200 OK")
                .header("Content-Type", kind)
                .header("Last-Modified", modified);
            let start = start.header("Accept-Ranges", "bytes").header("ETag", site.tag(0));
            end(start, bytes)
        }
        Answer::Part(bytes, first, last, length) => {
            let start = Response::new("206 Partial Content").header("Content-Type", "text/html");
            let start = start.header("Content-Range", format!("bytes {first}-{last}/{length}"));
            let start = start.header("Last-Modified", modified).header("Accept-Ranges", "bytes");
            end(start.header("ETag", site.tag(0)), bytes)
        }
        Answer::NoPart(length) => {
            let start = Response::new("416 Requested Range Not Satisfiable").header("Content-Type", "text/html");
            end(start.header("Content-Range", format!("bytes */{length}")), Vec::new())
        }
        Answer::Same => Response::new("304 Not Modified")
            .header("Accept-Ranges", "bytes")
            .header("ETag", site.tag(0))
            .header("Server", &site.server)
            .header("Date", date(now))
            .maybe("Connection", (!request.keeps_alive).then_some("close")),
        Answer::Page(page) => {
            let start = Response::new("200 OK").header("Cache-Control", "private");
            end(
                start.header("Content-Type", "text/html; charset=utf-8"),
                page.into_bytes(),
            )
        }
        Answer::Moved(path) => {
            let address = site.address(request, path);
            let page = format!(
                "<head><title>Document Moved</title></head>\n<body><h1>Object Moved</h1>This document may be found \
                <a HREF=\"{}\">here</a></body>",
                escaped(&address)
            );
            let start = Response::new("301 Moved Permanently").header("Content-Type", "text/html; charset=UTF-8");
            end(start.header("Location", address), page.into_bytes())
        }
        Answer::Methods => {
            let methods = "OPTIONS, TRACE, GET, HEAD, POST";
            Response::new("200 OK")
                .header("Allow", methods)
                .header("Server", &site.server)
                .header("Public", methods)
                .header("Date", date(now))
                .maybe("Connection", (!request.keeps_alive).then_some("close"))
                .header("Content-Length", "0")
        }
        Answer::Error(status) => {
            let (status, title, text) = error(status);
            let start = Response::new(status);
            let start = start.maybe(
                "Allow",
                status.starts_with("405").then_some("GET, HEAD, OPTIONS, TRACE"),
            );
            let body = page(title, text).into_bytes();
            if status.starts_with("401") {
                let start = start.header("Content-Type", "text/html").header("Server", &site.server);
                return start
                    .header("WWW-Authenticate", nginx::challenge(site))
                    .header("Date", date(now))
                    .maybe("Connection", (!request.keeps_alive).then_some("close"))
                    .header("Content-Length", body.len().to_string())
                    .body(body);
            }
            end(start.header("Content-Type", "text/html"), body)
        }
    }
}

fn error(status: u16) -> (&'static str, &'static str, &'static str) {
    let denied = "You do not have permission to view this directory or page using the credentials that you supplied.";
    match status {
        401 => (
            "401 Unauthorized",
            "401 - Unauthorized: Access is denied due to invalid credentials.",
            denied,
        ),
        403 => ("403 Forbidden", "403 - Forbidden: Access is denied.", denied),
        405 => (
            "405 Method Not Allowed",
            "405 - HTTP verb used to access this page is not allowed.",
            "The page you are looking for cannot be displayed because an invalid method (HTTP verb) was used to attempt access.",
        ),
        501 => (
            "501 Not Implemented",
            "501 - Header values specify a method that is not implemented.",
            "The page you are looking for cannot be displayed because a header value in the request does not match certain \
            configuration settings on the Web server. For example, a request header might specify a POST to a static file that \
            cannot be posted to, or specify a Transfer-Encoding value that cannot make use of compression.",
        ),
        _ => (
            "404 Not Found",
            "404 - File or directory not found.",
            "The resource you are looking for might have been removed, had its name changed, or is temporarily unavailable.",
        ),
    }
}

/// The page that IIS shows to visitors from other hosts.
fn page(title: &str, text: &str) -> String {
    format!(
        "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Strict//EN\" \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd\">\n\
        <html xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n\
        <meta http-equiv=\"Content-Type\" content=\"text/html; charset=iso-8859-1\"/>\n<title>{title}</title>\n\
        <style type=\"text/css\">\n<!--\n\
        body{{margin:0;font-size:.7em;font-family:Verdana, Arial, Helvetica, sans-serif;background:#EEEEEE;}}\n\
        fieldset{{padding:0 15px 10px 15px;}} \nh1{{font-size:2.4em;margin:0;color:#FFF;}}\n\
        h2{{font-size:1.7em;margin:0;color:#CC0000;}} \nh3{{font-size:1.2em;margin:10px 0 0 0;color:#000000;}} \n\
        #header{{width:96%;margin:0 0 0 0;padding:6px 2% 6px 2%;font-family:\"trebuchet MS\", Verdana, sans-serif;color:#FFF;\n\
        background-color:#555555;}}\n#content{{margin:0 0 0 2%;position:relative;}}\n\
        .content-container{{background:#FFF;width:96%;margin-top:8px;padding:10px;position:relative;}}\n-->\n</style>\n\
        </head>\n<body>\n<div id=\"header\"><h1>Server Error</h1></div>\n<div id=\"content\">\n \
        <div class=\"content-container\"><fieldset>\n  <h2>{title}</h2>\n  <h3>{text}</h3>\n </fieldset></div>\n</div>\n\
        </body>\n</html>\n"
    )
    .replace('\n', "\r\n")
}

/// Returns the answer of HTTP.sys to a request that cannot be read.
pub(super) fn fault(fault: Fault, now: Timestamp) -> Response {
    let (status, title, text) = match fault {
        Fault::Method => (
            "400 Bad Request",
            "Bad Request - Invalid Verb",
            "The request verb is invalid.",
        ),
        Fault::Target => (
            "400 Bad Request",
            "Bad Request - Invalid URL",
            "The request URL is invalid.",
        ),
        Fault::Host => (
            "400 Bad Request",
            "Bad Request - Invalid Hostname",
            "The request hostname is invalid.",
        ),
        Fault::Header => (
            "400 Bad Request",
            "Bad Request - Invalid Header",
            "The request has an invalid header name.",
        ),
        Fault::LongLine | Fault::LongHeaders => (
            "400 Bad Request",
            "Bad Request - Request Too Long",
            "The size of the request headers is too long.",
        ),
        Fault::Length | Fault::Chunk => (
            "400 Bad Request",
            "Bad Request - Invalid Content Length",
            "There is an invalid content length or chunk length in the request.",
        ),
        Fault::Version => (
            "505 HTTP Version Not Supported",
            "HTTP Version Not Supported",
            "HTTP Version Not Supported.",
        ),
        Fault::Encoding => (
            "501 Not Implemented",
            "Not Implemented",
            "The request is not implemented.",
        ),
        Fault::Large => (
            "413 Payload Too Large",
            "Request Entity Too Large",
            "The request entity is too large.",
        ),
        Fault::Line => ("400 Bad Request", "Bad Request", "The request is badly formed."),
    };
    let (code, reason) = status.split_once(' ').unwrap_or_default();
    let page = format!(
        "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01//EN\"\"http://www.w3.org/TR/html4/strict.dtd\">\r\n\
        <HTML><HEAD><TITLE>{reason}</TITLE>\r\n\
        <META HTTP-EQUIV=\"Content-Type\" Content=\"text/html; charset=us-ascii\"></HEAD>\r\n\
        <BODY><h2>{title}</h2>\r\n<hr><p>HTTP Error {code}. {text}</p>\r\n</BODY></HTML>\r\n"
    );
    Response::new(status)
        .header("Content-Type", "text/html; charset=us-ascii")
        .header("Server", "Microsoft-HTTPAPI/2.0")
        .header("Date", date(now))
        .header("Connection", "close")
        .header("Content-Length", page.len().to_string())
        .body(page)
}

/// The front page of a fresh installation.
pub(super) fn front(title: Option<&str>) -> String {
    format!(
        "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Strict//EN\" \"http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd\">\n\
        <html xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n\
        <meta http-equiv=\"Content-Type\" content=\"text/html; charset=iso-8859-1\" />\n<title>{}</title>\n\
        <style type=\"text/css\">\n<!--\nbody {{\n\tcolor:#000000;\n\tbackground-color:#0072C6;\n\tmargin:0;\n}}\n\n\
        #container {{\n\tmargin-left:auto;\n\tmargin-right:auto;\n\ttext-align:center;\n\t}}\n\n\
        a img {{\n\tborder:none;\n}}\n\n-->\n</style>\n</head>\n<body>\n<div id=\"container\">\n\
        <a href=\"http://go.microsoft.com/fwlink/?linkid=66138&amp;clcid=0x409\">\
        <img src=\"iisstart.png\" alt=\"IIS\" width=\"960\" height=\"600\" /></a>\n</div>\n</body>\n</html>",
        escaped(title.unwrap_or("IIS Windows Server"))
    )
    .replace('\n', "\r\n")
}
