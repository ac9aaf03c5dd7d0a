use async_trait::async_trait;
use axum::http::{header, request::Parts};

use super::{
    Authenticator,
    error::AuthError,
    scope::{AccessScope, Principal},
};

/// Lets everyone on this machine do everything, without a token.
///
/// It accepts only requests to a loopback name, so that a web page cannot reach the server by a name of its own that leads to this
/// machine. [`serve`](crate::http::serve) refuses to listen on other addresses with it.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenAccess;

/// The actor of requests without a token.
const ACTOR: &str = "local";

#[async_trait]
impl Authenticator for OpenAccess {
    async fn authenticate(&self, request: &Parts) -> Result<Principal, AuthError> {
        let named = request.headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let host = named.or_else(|| request.uri.host()).unwrap_or_default();
        if is_loopback(host) {
            Ok(Principal::new(ACTOR, AccessScope::Admin))
        } else {
            Err(AuthError::ForeignHost { host: host.into() })
        }
    }

    fn needs_loopback(&self) -> bool {
        true
    }
}

/// Returns whether a host, with or without a port, is a name or an address of this machine.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or(rest, |(name, _)| name),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    let is_address = name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    is_address || name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1",
            "127.0.0.2:80",
            "[::1]:8080",
            "[::1]",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example:80",
            "10.0.0.1:8080",
            "[fe80::1]:80",
            "127.0.0.1.nip.io",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
