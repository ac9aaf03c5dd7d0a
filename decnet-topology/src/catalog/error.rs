use std::fmt;

use serde::Serialize;

use crate::{
    finding::{Finding, Target},
    name::ServiceName,
};

/// The reason why a catalogue file was refused: all its faults.
///
/// ```
/// use decnet_topology::Catalog;
///
/// let refused = Catalog::builtin().extend_from_toml("[services.ssh]\nbaner = \"x\"\nwritable_root = 1").unwrap_err();
/// let faults = refused.findings.iter().map(|finding| format!("{}: {}", finding.place_in("c.toml"), finding.message));
/// assert_eq!(
///     faults.collect::<Vec<_>>(),
///     [
///         "c.toml:2:1: services.ssh has no key `baner` (did you mean `banner`?)",
///         "c.toml:3:1: services.ssh.writable_root must be true or false, not a number",
///     ]
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
pub struct CatalogError {
    /// The faults, in the order of the text; at least one. Their codes are `DOC_SYNTAX`, `DOC_UNKNOWN_KEY` and `DOC_TYPE`.
    pub findings: Vec<Finding>,
}

impl CatalogError {
    /// Returns a stable code for programs.
    pub const fn code(&self) -> &'static str {
        "invalid_catalog"
    }
}

impl fmt::Display for CatalogError {
    /// Lists the faults with their places.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.findings.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            if let Target::Document {
                line: Some(line),
                column: Some(column),
                ..
            } = finding.target
            {
                write!(f, "line {line}, column {column}: ")?;
            }
            f.write_str(&finding.message)?;
        }
        Ok(())
    }
}

/// The reason why a text names no service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no service named `{name}`{}", .suggestion.as_ref().map(|near| format!(" (did you mean `{near}`?)")).unwrap_or_default())]
pub struct ServiceNotFound {
    /// The text.
    pub name: String,
    /// The service with the most similar name, if there is one.
    pub suggestion: Option<ServiceName>,
}

impl ServiceNotFound {
    /// Returns a stable code for programs.
    pub const fn code(&self) -> &'static str {
        "unknown_service"
    }
}
