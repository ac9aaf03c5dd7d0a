//! A site, and what it answers.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::super::{
    context::Context,
    wire::http::{Reader, Request, Style},
};
use crate::protocol::Os;

/// A web site.
pub(crate) struct Site {
    pub(super) reader: Reader,
    pub(super) is_iis: bool,
    /// The header `Server`, which the error pages of nginx repeat.
    pub(super) server: String,
    scheme: &'static str,
    /// The host of redirects for requests without `Host`.
    name: String,
    pub(super) hostname: String,
    pub(super) title: Option<String>,
    pub(super) page: Option<String>,
    pub(super) realm: Option<String>,
    pub(super) installed: Timestamp,
}

/// What a site answers, in the words that both servers share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// A file; its type follows.
    File(Vec<u8>, &'static str),
    /// Some of the bytes of a file of this length, from the first to the last.
    Part(Vec<u8>, usize, usize, usize),
    /// The range is outside a file of this length.
    NoPart(usize),
    /// The visitor has the file already.
    Same,
    /// A page of a program.
    Page(String),
    /// The resource is at this path.
    Moved(&'static str),
    /// An error page.
    Error(u16),
    /// The methods.
    Methods,
}

impl Site {
    /// Creates a site. `name` is the host of redirects for requests without `Host`.
    pub(crate) fn new(context: &Context, scheme: &'static str, name: String) -> Self {
        let fields = context.fields();
        let server = server(context, scheme);
        let is_iis = server.contains("IIS");
        let style = if is_iis { Style::HttpSys } else { Style::Nginx };
        // client_max_body_size; maxAllowedContentLength.
        let most = if is_iis { 30_000_000 } else { 1024 * 1024 };
        // In 2023 or 2024.
        let age = i64::from(u32::from_le_bytes(context.stable("site"))) % 60_000_000;
        let text = |key| fields.text(key).filter(|text| !text.is_empty()).map(str::to_owned);
        Self {
            reader: Reader::new(style, most),
            is_iis,
            server,
            scheme,
            name,
            hostname: context.persona().hostname.clone(),
            title: text("title"),
            page: text("page"),
            realm: text("realm"),
            installed: Timestamp::from_second(1_675_000_000 + age).unwrap_or_default(),
        }
    }

    pub(super) fn tag(&self, length: usize) -> String {
        let seconds = self.installed.as_second();
        if self.is_iis {
            iis_tag(seconds)
        } else {
            format!("\"{seconds:x}-{length:x}\"")
        }
    }

    /// Returns the address of a path on this site.
    pub(super) fn address(&self, request: &Request, path: &str) -> String {
        let host = request.text("host").filter(|host| !host.is_empty());
        format!("{}://{}{path}", self.scheme, host.unwrap_or(&self.name))
    }
}

/// Returns the `ETag` of a file: the bytes of its time in units of 100 ns since 1601.
fn iis_tag(seconds: i64) -> String {
    let time = seconds.saturating_add(11_644_473_600).saturating_mul(10_000_000);
    let digits = time.to_le_bytes().iter().fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:x}");
        digits
    });
    format!("\"{digits}:0\"")
}

/// Returns the header `Server`: that of the field, of the pinned version, or of the system.
fn server(context: &Context, service: &str) -> String {
    let persona = context.persona();
    if let Some(server) = context.fields().text("server_header").filter(|text| !text.is_empty()) {
        return server.to_owned();
    }
    let pin = persona.versions.get(service).or_else(|| persona.versions.get("http"));
    if persona.is_windows() {
        return match pin {
            Some(pin) if pin.contains('/') => pin.clone(),
            Some(pin) => format!("Microsoft-IIS/{pin}"),
            None => "Microsoft-IIS/10.0".into(),
        };
    }
    let version = pin.map_or_else(
        || match persona.os {
            Os::Debian11 | Os::Ubuntu2204 => "1.18.0",
            Os::Debian12 => "1.22.1",
            Os::Ubuntu2404 => "1.24.0",
            _ => context.pick("nginx", &["1.14.2", "1.16.1", "1.18.0", "1.20.2"]),
        },
        String::as_str,
    );
    let note = if matches!(persona.os, Os::Ubuntu2204 | Os::Ubuntu2404) {
        " (Ubuntu)"
    } else {
        ""
    };
    if version.contains('/') {
        version.to_owned()
    } else {
        format!("nginx/{version}{note}")
    }
}

/// Returns a text for HTML.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
