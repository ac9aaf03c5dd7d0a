//! The maze file `decnet.topology/1`: parse and print.
//!
//! One document for files, HTTP bodies and agents, in JSON or YAML. Reading it gives a [`Draft`](crate::Draft). Unreadable parts
//! become findings of the draft, and the rest is kept. Only a text that is not a document is refused.
//!
//! ```
//! use decnet_topology::{Syntax, document};
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
//! # Ok::<(), decnet_topology::DocumentError>(())
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

pub(crate) mod error;
mod maze;
mod parse;
mod place;
mod print;
mod schema;
pub(crate) mod syntax;

use crate::decode;

pub(crate) use error::DocumentError;
pub(crate) use parse::tree;
pub use parse::{from_value, parse};
pub use place::locate;
pub use print::{print, print_topology, to_value};
pub use schema::schema;
pub(crate) use syntax::Syntax;

/// The value of a document's `format`.
pub const FORMAT: &str = "decnet.topology/1";

/// The longest document, in bytes: 64 MiB.
pub const MAX_BYTES: usize = decode::MAX_BYTES;

/// The largest number of values of a document, including lists and maps: four million.
pub const MAX_VALUES: usize = decode::MAX_VALUES;

/// The deepest nesting of lists and maps; the document itself is the first level.
pub const MAX_DEPTH: usize = decode::MAX_DEPTH;
