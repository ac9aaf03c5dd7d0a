//! The maze file `decnet.topology/1`: parse and print.
//!
//! One document for files, HTTP bodies and agents, in JSON or YAML. Reading it gives a [`Draft`](crate::Draft). Unreadable parts
//! become findings of the draft, and the rest is kept. Only a text that is not a document is refused.
//!
//! ```
//! use decnet_topology::document::{self, Syntax};
//!
//! let text = "
//! format: decnet.topology/1
//! name: corp
//! lans:
//!   - {name: dmz, subnet: 172.20.0.0/24, dmz: true}
//!   - {name: office}                      # no subnet: one is allocated
//! deckies:
//!   - name: web-01
//!     services: [http, ssh]
//!     forwards_l3: true
//!     attachments: [{lan: dmz, ip: 172.20.0.10}, {lan: office}]
//! ";
//! let draft = document::parse(text, Syntax::Auto)?;
//! assert!(draft.findings.is_empty());
//! assert_eq!(draft.deckies[0].attachments.len(), 2);
//!
//! let printed = document::print(&draft, Syntax::Json);
//! assert_eq!(document::parse(&printed, Syntax::Auto)?, draft);
//! # Ok::<(), document::DocumentError>(())
//! ```
//!
//! # Optional keys, and the meaning of `null`
//!
//! `format`, `name`, the name of every LAN and decky, and the `lan` of every attachment are required. All other keys are
//! optional. For keys without a default (`subnet`, `ip`, `archetype`, `x`, `y`, `id`, `status`, `version`, `seed` and `config`),
//! `null` means the same as no key; elsewhere it is a value of the wrong type. Types are strict: `"true"` is not a boolean.
//!
//! # Bounds
//!
//! A document has at most [`MAX_BYTES`], [`MAX_VALUES`] and [`MAX_DEPTH`] levels. For each code, the first
//! [`MAX_LISTED`](crate::finding::MAX_LISTED) faults are listed and the others counted.

mod error;
mod maze;
mod parse;
mod print;
mod schema;

use std::{ffi::OsStr, path::Path};

use crate::decode;

pub use error::DocumentError;
pub use parse::{from_value, parse};
pub use print::{print, print_topology, to_value};
pub use schema::schema;

/// The value of a document's `format`.
pub const FORMAT: &str = "decnet.topology/1";

/// The longest document, in bytes: 64 MiB.
pub const MAX_BYTES: usize = decode::MAX_BYTES;

/// The largest number of values of a document, including lists and maps: four million.
pub const MAX_VALUES: usize = decode::MAX_VALUES;

/// The deepest nesting of lists and maps; the document itself is the first level.
pub const MAX_DEPTH: usize = decode::MAX_DEPTH;

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
    /// Returns the syntax for a file by its extension, in any case; [`Auto`](Self::Auto) for other extensions.
    ///
    /// ```
    /// use decnet_topology::document::Syntax;
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
