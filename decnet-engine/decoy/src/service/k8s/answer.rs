//! Answers of the API server.

use crate::service::wire::http::quoted;

/// An answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) kind: &'static str,
    pub(super) body: String,
    /// Whether the body is indented for every client.
    pub(super) is_raw: bool,
}

impl Answer {
    pub(super) fn json(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            kind: "application/json",
            body: body.into(),
            is_raw: false,
        }
    }

    pub(super) fn text(status: u16, body: &str) -> Self {
        Self {
            status,
            kind: "text/plain; charset=utf-8",
            body: body.into(),
            is_raw: true,
        }
    }

    /// A `Status` object. `details` are members of an object, or none.
    pub(super) fn failure(status: u16, reason: &str, message: &str, details: Option<&str>) -> Self {
        let details = details
            .map(|details| format!("\"details\":{{{details}}},"))
            .unwrap_or_default();
        Self::json(
            status,
            format!(
                "{{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{{}},\"status\":\"Failure\",\"message\":{},\
                \"reason\":\"{reason}\",{details}\"code\":{status}}}",
                quoted(message)
            ),
        )
    }
}
