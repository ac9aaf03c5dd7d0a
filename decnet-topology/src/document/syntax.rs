//! The syntaxes of a maze file.

use std::{ffi::OsStr, path::Path};

/// The syntax of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Syntax {
    /// JSON (RFC 8259).
    Json,
    /// YAML 1.2.
    Yaml,
    /// JSON if the first character is `{` and a quote or a brace follows it, else YAML. Prints JSON.
    #[default]
    Auto,
}

impl Syntax {
    /// Returns the syntax for a file by its extension, ignoring case; [`Auto`](Self::Auto) for other extensions.
    ///
    /// ```
    /// use decnet_topology::Syntax;
    ///
    /// assert_eq!(Syntax::of_file("maze.YAML".as_ref()), Syntax::Yaml);
    /// assert_eq!(Syntax::of_file("maze".as_ref()), Syntax::Auto);
    /// ```
    pub fn of_file(path: &Path) -> Self {
        let ending = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        match ending.to_ascii_lowercase().as_str() {
            "json" => Self::Json,
            "yaml" | "yml" => Self::Yaml,
            _ => Self::Auto,
        }
    }
}
