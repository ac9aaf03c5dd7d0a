//! The result of one check of `decnet doctor`.

use serde::Serialize;

/// The verdict of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Ok,
    Warn,
    Fail,
}

/// One check.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Check {
    pub(super) verdict: Verdict,
    pub(super) what: &'static str,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Check {
    pub(super) fn ok(what: &'static str, message: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Ok,
            what,
            message: message.into(),
            hint: None,
        }
    }

    pub(super) fn warn(what: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Warn,
            what,
            message: message.into(),
            hint: Some(hint.into()),
        }
    }

    pub(super) fn fail(what: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Fail,
            what,
            message: message.into(),
            hint: Some(hint.into()),
        }
    }
}
