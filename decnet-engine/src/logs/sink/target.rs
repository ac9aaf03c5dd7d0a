use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use url::Url;

use super::LogTargetError;

/// Where log items are sent: a file, a syslog server or a webhook.
///
/// - `/var/log/visits.log`: a file, or the socket of a log daemon.
/// - `syslog+udp://HOST[:514]`: RFC 5426, one datagram for each line. A line is cut at 2048 bytes, and nobody reports lost
///   datagrams.
/// - `syslog+tcp://HOST[:601]`: RFC 6587, with octet counting.
/// - `syslog+tls://HOST[:6514]`: RFC 5425. The certificate must be valid for the host.
/// - `https://HOST/PATH`, `http://HOST/PATH`: a webhook that accepts batches of lines.
///
/// Its [`Display`](fmt::Display) has the scheme, the host and the port, but not the path, because a path may hold a token.
///
/// ```
/// use decnet_engine::LogTarget;
///
/// let target: LogTarget = "syslog+tls://logs.example.com".parse()?;
/// assert_eq!(target.to_string(), "syslog+tls://logs.example.com:6514");
/// let target: LogTarget = "https://example.com/hooks/secret".parse()?;
/// assert_eq!(target.to_string(), "https://example.com:443");
/// assert_eq!("gopher://example.com".parse::<LogTarget>().unwrap_err().code(), "malformed_target");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct LogTarget(pub(super) Place);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    File(PathBuf),
    Syslog(SyslogServer),
    Webhook(Url),
}

/// The address of a syslog server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyslogServer {
    pub(super) transport: Transport,
    /// A name or an address; an IPv6 address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Udp,
    Tcp,
    Tls,
}

impl Transport {
    const ALL: [Self; 3] = [Self::Udp, Self::Tcp, Self::Tls];

    const fn scheme(self) -> &'static str {
        match self {
            Self::Udp => "syslog+udp",
            Self::Tcp => "syslog+tcp",
            Self::Tls => "syslog+tls",
        }
    }

    const fn port(self) -> u16 {
        match self {
            Self::Udp => 514,
            Self::Tcp => 601,
            Self::Tls => 6514,
        }
    }
}

impl LogTarget {
    /// Returns the target for a file, or for the socket of a log daemon.
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self(Place::File(path.as_ref().into()))
    }

    pub(super) const fn is_webhook(&self) -> bool {
        matches!(self.0, Place::Webhook(_))
    }

    /// Returns whether it has a certificate.
    pub(super) fn has_tls(&self) -> bool {
        match &self.0 {
            Place::File(_) => false,
            Place::Syslog(server) => server.transport == Transport::Tls,
            Place::Webhook(url) => url.scheme() == "https",
        }
    }
}

impl FromStr for LogTarget {
    type Err = LogTargetError;

    fn from_str(text: &str) -> Result<Self, LogTargetError> {
        let malformed = |reason: &str| LogTargetError::MalformedTarget { reason: reason.into() };
        if !text.contains("://") {
            if text.is_empty() {
                return Err(malformed("it is empty"));
            }
            return Ok(Self::file(text));
        }
        let url = Url::parse(text).map_err(|error| malformed(&error.to_string()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(malformed(
                "a user or password in an address is not supported; give a header instead",
            ));
        }
        if matches!(url.scheme(), "http" | "https") {
            return Ok(Self(Place::Webhook(url)));
        }
        let mut transports = Transport::ALL.into_iter();
        let Some(transport) = transports.find(|transport| transport.scheme() == url.scheme()) else {
            return Err(malformed(&format!("`{}` is not a known scheme", url.scheme())));
        };
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(malformed("a syslog server has a host and a port, and nothing else"));
        }
        let host = url.host_str().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(malformed("it has no host"));
        }
        Ok(Self(Place::Syslog(SyslogServer {
            transport,
            host: host.into(),
            port: url.port().unwrap_or(transport.port()),
        })))
    }
}

impl fmt::Display for LogTarget {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::File(path) => path.display().fmt(to),
            Place::Syslog(SyslogServer { transport, host, port }) => {
                let scheme = transport.scheme();
                if host.contains(':') {
                    write!(to, "{scheme}://[{host}]:{port}")
                } else {
                    write!(to, "{scheme}://{host}:{port}")
                }
            }
            Place::Webhook(url) => {
                let port = url.port_or_known_default().unwrap_or_default();
                write!(to, "{}://{}:{port}", url.scheme(), url.host_str().unwrap_or_default())
            }
        }
    }
}

impl fmt::Debug for LogTarget {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "LogTarget({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_and_shown_without_secrets() {
        for (text, shown) in [
            ("visits.log", "visits.log"),
            ("/dev/log", "/dev/log"),
            ("syslog+udp://10.0.0.1", "syslog+udp://10.0.0.1:514"),
            ("syslog+tcp://logs:1514/", "syslog+tcp://logs:1514"),
            ("syslog+tls://[::1]", "syslog+tls://[::1]:6514"),
            ("http://example.com/hook?token=s3cret", "http://example.com:80"),
            ("https://example.com:8443/s3cret", "https://example.com:8443"),
        ] {
            let target: LogTarget = text.parse().unwrap();
            assert_eq!(target.to_string(), shown);
            assert_eq!(format!("{target:?}"), format!("LogTarget({shown})"));
        }
    }

    #[test]
    fn a_malformed_target_is_refused_without_its_secrets() {
        for (text, said) in [
            ("", "empty"),
            ("syslog://host", "`syslog` is not a known scheme"),
            ("syslog+tcp://", "no host"),
            ("syslog+tcp://host:port", "port"),
            ("syslog+tcp://host:70000", "port"),
            ("syslog+udp://host/s3cret", "nothing else"),
            ("syslog+tls://host?ca=s3cret", "nothing else"),
            ("https://ada:s3cret@host/", "header"),
            ("https://", "host"),
        ] {
            let error = text.parse::<LogTarget>().unwrap_err();
            assert_eq!(error.code(), "malformed_target");
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(said) && !shown.contains("s3cret"), "{text}: {shown}");
        }
    }
}
