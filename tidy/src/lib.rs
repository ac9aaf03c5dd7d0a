//! Rules for this workspace that neither the compiler nor clippy checks: imports, the length of files, names, words, and the
//! pages for people.
//!
//! A rule is a function from a [`Source`] to its [`Breach`]es. The tests run every rule over the workspace, and prove that each
//! rule can fail.

pub mod book;
mod breach;
pub mod cycles;
pub mod errors;
mod imports;
pub mod layers;
pub mod manifest;
pub mod public_types;
mod source;
pub mod style;
pub mod words;

pub use breach::Breach;
pub use imports::{Import, imports};
pub use source::{Source, workspace_root, workspace_sources};
