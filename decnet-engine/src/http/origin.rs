//! Requests that web pages of others send.

use axum::http::{HeaderMap, HeaderValue, Method, header};

use super::problem::Problem;

/// Refuses a change that a web page of another origin requests. Browsers name the origin of each such request.
///
/// A request without an origin comes from a program.
pub(super) fn check(method: &Method, headers: &HeaderMap, allowed: &[HeaderValue]) -> Result<(), Problem> {
    let Some(origin) = headers.get(header::ORIGIN).filter(|_| !method.is_safe()) else {
        return Ok(());
    };
    if allowed.contains(origin) || is_own(origin, headers.get(header::HOST)) {
        return Ok(());
    }
    let origin = String::from_utf8_lossy(origin.as_bytes());
    Err(Problem::new(
        "foreign_origin",
        format!("the origin `{origin}` may not change anything here"),
    ))
}

/// Returns whether the origin is that of the host that the request was sent to.
fn is_own(origin: &HeaderValue, host: Option<&HeaderValue>) -> bool {
    let (Ok(origin), Some(Ok(host))) = (origin.to_str(), host.map(HeaderValue::to_str)) else {
        return false;
    };
    origin
        .split_once("://")
        .is_some_and(|(_, named)| named.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_origin(method: &Method, origin: &'static str, is_allowed: bool) {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("127.0.0.1:8080"));
        headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
        let allowed = [HeaderValue::from_static("https://map.example")];
        assert_eq!(
            check(method, &headers, &allowed).is_ok(),
            is_allowed,
            "{method} {origin}"
        );
    }

    #[test]
    fn only_own_and_allowed_origins_change_something() {
        for origin in [
            "https://evil.example",
            "null",
            "http://127.0.0.1:8081",
            "http://127.0.0.1",
        ] {
            check_origin(&Method::POST, origin, false);
            check_origin(&Method::DELETE, origin, false);
            check_origin(&Method::GET, origin, true);
        }
        check_origin(&Method::POST, "http://127.0.0.1:8080", true);
        check_origin(&Method::PATCH, "https://map.example", true);
    }
}
