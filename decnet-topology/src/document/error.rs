use crate::finding::{Code, Finding, Target};

/// The reason why a text is not a document: it is not JSON or YAML, or has another format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .findings.first().map(|finding| finding.message.as_str()).unwrap_or_default())]
pub struct DocumentError {
    /// What was found: `DOC_SYNTAX` or `DOC_FORMAT`.
    pub findings: Vec<Finding>,
}

impl DocumentError {
    /// Returns a stable code for programs.
    pub const fn code(&self) -> &'static str {
        "invalid"
    }

    pub(crate) fn new(code: Code, place: Option<(usize, usize)>, message: impl Into<String>) -> Self {
        let target = Target::Document {
            path: String::new(),
            line: place.map(|(line, _)| line),
            column: place.map(|(_, column)| column),
        };
        Self {
            findings: vec![Finding::new(code, target, message).at(place.map(Into::into))],
        }
    }
}
