use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use hyper::header::{HeaderName, HeaderValue};

use super::LogTargetError;
use crate::{event::sink::LogRotation, logs::LogFormat};

/// How a [`LogWriter`](crate::LogWriter) writes log items.
#[derive(Debug, Clone)]
#[must_use]
#[non_exhaustive]
pub struct LogWriterOptions {
    /// The form of the lines. Syslog servers always get messages of RFC 5424, and a webhook gets JSON instead of text for people.
    pub format: LogFormat,
    /// The rotation of a file; none by default.
    pub rotation: Option<LogRotation>,
    /// A file with PEM certificates of the authorities for TLS; those of the system by default. The variables `SSL_CERT_FILE` and
    /// `SSL_CERT_DIR` replace those of the system, as for all programs with OpenSSL.
    pub ca: Option<PathBuf>,
    /// The headers of requests to a webhook.
    pub headers: Vec<WebhookHeader>,
    /// The largest number of lines that wait for a batch; 100 by default.
    pub batch_lines: usize,
    /// How long a line waits for others of its batch; 1 s by default.
    pub batch_wait: Duration,
    /// How long one attempt to connect, to write or to get an answer may take; 30 s by default.
    pub timeout: Duration,
    /// How long to retry to send the same line or batch; none means always.
    pub retry_for: Option<Duration>,
}

impl Default for LogWriterOptions {
    fn default() -> Self {
        Self {
            format: LogFormat::default(),
            rotation: None,
            ca: None,
            headers: Vec::new(),
            batch_lines: 100,
            batch_wait: Duration::from_secs(1),
            timeout: Duration::from_secs(30),
            retry_for: None,
        }
    }
}

impl LogWriterOptions {
    /// Sets the form of the lines.
    pub fn format(mut self, format: LogFormat) -> Self {
        self.format = format;
        self
    }

    /// Sets the rotation of a file.
    pub fn rotation(mut self, rotation: impl Into<Option<LogRotation>>) -> Self {
        self.rotation = rotation.into();
        self
    }

    /// Sets the file with the certificates of authorities.
    pub fn ca(mut self, ca: impl Into<Option<PathBuf>>) -> Self {
        self.ca = ca.into();
        self
    }

    /// Adds headers for a webhook.
    pub fn headers(mut self, headers: impl IntoIterator<Item = WebhookHeader>) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Sets the largest number of lines of a batch, and how long a line waits for others.
    pub fn batch(mut self, lines: usize, wait: Duration) -> Self {
        (self.batch_lines, self.batch_wait) = (lines, wait);
        self
    }

    /// Sets how long one attempt may take.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets how long to retry. None means always.
    pub fn retry_for(mut self, retry_for: impl Into<Option<Duration>>) -> Self {
        self.retry_for = retry_for.into();
        self
    }
}

/// A header of the requests to a webhook: `Authorization: Bearer TOKEN`. Its value is never shown.
///
/// ```
/// use decnet_engine::WebhookHeader;
///
/// let header: WebhookHeader = "Authorization: Bearer s3cret".parse()?;
/// assert_eq!(format!("{header:?}"), "WebhookHeader(authorization)");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookHeader {
    pub(super) name: HeaderName,
    pub(super) value: HeaderValue,
}

impl FromStr for WebhookHeader {
    type Err = LogTargetError;

    fn from_str(text: &str) -> Result<Self, LogTargetError> {
        let malformed = |name: &str, reason: &str| LogTargetError::MalformedHeader {
            name: name.into(),
            reason: reason.into(),
        };
        let Some((name, value)) = text.split_once(':') else {
            return Err(malformed("", "it has no colon"));
        };
        let parsed = name.trim().parse();
        let name: HeaderName = parsed.map_err(|_| malformed("", "the name has a character that is not allowed"))?;
        if matches!(
            name.as_str(),
            "content-length" | "content-type" | "host" | "transfer-encoding"
        ) {
            return Err(malformed(name.as_str(), "it cannot be changed"));
        }
        let value = HeaderValue::from_str(value.trim());
        let mut value = value.map_err(|_| malformed(name.as_str(), "the value has a character that is not allowed"))?;
        value.set_sensitive(true);
        Ok(Self { name, value })
    }
}

impl fmt::Debug for WebhookHeader {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "WebhookHeader({})", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_header_is_refused_without_its_value() {
        for text in [
            "s3cret",
            "s3cret s3cret: value",
            "X-Token: s3cret\r\nEvil: yes",
            "Host: s3cret",
            ": s3cret",
        ] {
            let error = text.parse::<WebhookHeader>().unwrap_err();
            assert_eq!(error.code(), "malformed_header");
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("s3cret"), "{text}: {shown}");
        }
    }
}
