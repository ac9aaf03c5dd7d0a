use serde::Serialize;

use crate::engine::EngineError;

/// The verdict of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Verdict {
    /// Nothing is wrong.
    Ok,
    /// Mazes work, but not as well as they could.
    Warn,
    /// Mazes do not work.
    Fail,
}

/// The result of one check.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct Check {
    /// The verdict.
    pub verdict: Verdict,
    /// The name of the check.
    pub what: &'static str,
    /// What was found.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// The error, if the check itself could not be made.
    #[serde(skip)]
    pub error: Option<EngineError>,
}

impl Check {
    fn new(verdict: Verdict, what: &'static str, message: impl Into<String>, hint: Option<String>) -> Self {
        Self {
            verdict,
            what,
            message: message.into(),
            hint,
            error: None,
        }
    }

    /// Creates a check that passed.
    pub fn ok(what: &'static str, message: impl Into<String>) -> Self {
        Self::new(Verdict::Ok, what, message, None)
    }

    /// Creates a check with a warning.
    pub fn warn(what: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Verdict::Warn, what, message, Some(hint.into()))
    }

    /// Creates a check that failed.
    pub fn fail(what: &'static str, message: impl Into<String>, hint: Option<String>) -> Self {
        Self::new(Verdict::Fail, what, message, hint)
    }

    /// Creates a check that could not be made. The caller sets the hint.
    pub(super) fn error(verdict: Verdict, what: &'static str, subject: &str, error: impl Into<EngineError>) -> Self {
        let error = error.into();
        let message = format!("{subject}{}", error.with_causes());
        Self {
            error: Some(error),
            ..Self::new(verdict, what, message, None)
        }
    }
}
