//! The header `Prefer: wait=SECONDS` (RFC 7240, section 4.3).

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};

/// The longest wait for the result of an operation.
const LONGEST: Duration = Duration::from_mins(5);

/// The name of the header.
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// The header that says which preference was followed.
pub(super) const APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Returns how long the client waits for the result; none if it does not. Preferences that are unknown or cannot be read are
/// ignored, as the RFC says.
pub(super) fn wait(headers: &HeaderMap) -> Option<Duration> {
    let values = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let mut preferences = values.flat_map(|value| value.split(',')).map(str::trim);
    let seconds = preferences.find_map(|preference| {
        let (name, value) = preference.split_once('=')?;
        let value = value.split(';').next().unwrap_or_default();
        let is_wait = name.trim().eq_ignore_ascii_case("wait");
        is_wait.then(|| value.trim().trim_matches('"').parse().ok())?
    })?;
    Some(Duration::from_secs(seconds).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_wait_is_found_among_other_preferences_and_bounded() {
        for (text, seconds) in [
            ("wait=30", Some(30)),
            ("respond-async, wait=5", Some(5)),
            ("WAIT = \"7\"; x=1", Some(7)),
            ("wait=86400", Some(300)),
            ("wait=0", Some(0)),
            ("wait=-1", None),
            ("wait", None),
            ("wait=soon", None),
            ("respond-async", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(PREFER, HeaderValue::from_static(text));
            assert_eq!(wait(&headers).map(|wait| wait.as_secs()), seconds, "{text}");
        }
        assert_eq!(wait(&HeaderMap::new()), None);
    }
}
