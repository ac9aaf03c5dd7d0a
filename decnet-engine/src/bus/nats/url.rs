use std::{fmt, str::FromStr};

use percent_encoding::percent_decode_str;
use url::Url;

/// The URL of a NATS server: `nats://host:4222`, or `tls://host:4222` to refuse a connection without TLS. The port is 4222 by default.
///
/// It may have credentials: `nats://user:password@host`, or `nats://token@host`. They are never printed.
///
/// ```
/// use decnet_engine::NatsUrl;
///
/// let url: NatsUrl = "tls://ada:secret@nats.example:4333".parse()?;
/// assert_eq!(url.to_string(), "tls://nats.example:4333");
/// let refused = "http://ada:secret@nats.example".parse::<NatsUrl>().unwrap_err();
/// assert_eq!(refused.code(), "invalid_nats_url");
/// assert!(!refused.to_string().contains("secret"));
/// # Ok::<(), decnet_engine::NatsUrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct NatsUrl {
    /// Without credentials, because libraries print it.
    server: Url,
    pub(super) login: Login,
}

/// How a client proves who it is.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Login {
    Nobody,
    Token(String),
    User { name: String, password: String },
}

/// Reports an invalid URL of a NATS server. The URL is not repeated, because it may have credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the URL of the NATS server is invalid: {reason}")]
#[non_exhaustive]
pub struct NatsUrlError {
    /// What is wrong.
    pub reason: String,
}

impl NatsUrlError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        "invalid_nats_url"
    }
}

impl NatsUrl {
    /// Returns whether a text is meant to be such a URL.
    pub fn is_meant(text: &str) -> bool {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        scheme.is_some_and(|scheme| is_known(&scheme))
    }

    pub(super) fn server(&self) -> &Url {
        &self.server
    }

    pub(super) fn needs_tls(&self) -> bool {
        self.server.scheme() == "tls"
    }
}

fn is_known(scheme: &str) -> bool {
    matches!(scheme, "nats" | "tls")
}

impl FromStr for NatsUrl {
    type Err = NatsUrlError;

    fn from_str(text: &str) -> Result<Self, NatsUrlError> {
        let invalid = |reason: &str| NatsUrlError { reason: reason.into() };
        let mut server = Url::parse(text).map_err(|error| invalid(&error.to_string()))?;
        if !is_known(server.scheme()) {
            return Err(invalid("it must begin with nats:// or tls://"));
        }
        if server.host_str().unwrap_or_default().is_empty() {
            return Err(invalid("it has no host"));
        }
        if !matches!(server.path(), "" | "/") || server.query().is_some() || server.fragment().is_some() {
            return Err(invalid("nothing may follow the port"));
        }
        if server.port() == Some(0) {
            return Err(invalid("the port is 0"));
        }
        let decoded = |text: &str| match percent_decode_str(text).decode_utf8() {
            Ok(text) => Ok(text.into_owned()),
            Err(_) => Err(invalid("its credentials are not UTF-8")),
        };
        let login = match (server.username(), server.password()) {
            ("", None) => Login::Nobody,
            (token, None) => Login::Token(decoded(token)?),
            ("", Some(_)) => return Err(invalid("it has a password without a user")),
            (name, Some(password)) => Login::User {
                name: decoded(name)?,
                password: decoded(password)?,
            },
        };
        // This fails only without a host.
        let removed = server.set_username("").and_then(|()| server.set_password(None));
        removed.map_err(|()| invalid("it has no host"))?;
        server.set_path("");
        Ok(Self { server, login })
    }
}

impl fmt::Display for NatsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.server.as_str())
    }
}

impl fmt::Debug for NatsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NatsUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_and_not_printed() {
        for (text, expected, login) in [
            ("nats://localhost", "nats://localhost", Login::Nobody),
            ("NATS://127.0.0.1:4333/", "nats://127.0.0.1:4333", Login::Nobody),
            (
                "tls://t%40ken@[::1]:4222",
                "tls://[::1]:4222",
                Login::Token("t@ken".into()),
            ),
            (
                "nats://ada:se%2Fcret@host",
                "nats://host",
                Login::User {
                    name: "ada".into(),
                    password: "se/cret".into(),
                },
            ),
        ] {
            let url: NatsUrl = text.parse().expect(text);
            assert_eq!(url.to_string(), expected);
            assert!(url.login == login, "{text}");
            assert_eq!(format!("{url:?}"), format!("NatsUrl({expected})"));
            assert!(NatsUrl::is_meant(text));
        }
    }

    #[test]
    fn an_invalid_url_is_refused_without_its_credentials() {
        for (text, reason) in [
            ("http://ada:secret@host", "it must begin with nats:// or tls://"),
            ("nats://ada:secret@", "empty host"),
            ("nats:///x", "it has no host"),
            ("nats://ada:secret@host:99999", "invalid port number"),
            ("nats://ada:secret@host:0", "the port is 0"),
            ("nats://ada:secret@host/path", "nothing may follow the port"),
            ("nats://ada:secret@host?x", "nothing may follow the port"),
            ("nats://ada:secret@host#x", "nothing may follow the port"),
            ("nats://:secret@host", "it has a password without a user"),
            ("nats://ada:secret%ff@host", "its credentials are not UTF-8"),
            ("host:4222", "it must begin with nats:// or tls://"),
            ("", "relative URL without a base"),
        ] {
            let error = text.parse::<NatsUrl>().expect_err(text).to_string();
            assert_eq!(
                error,
                format!("the URL of the NATS server is invalid: {reason}"),
                "{text}"
            );
        }
        for text in ["/run/bus.sock", "http://host", "nats", "a/nats://b"] {
            assert!(!NatsUrl::is_meant(text), "{text}");
        }
    }
}
