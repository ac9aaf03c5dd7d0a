//! The rules of this workspace's source that neither the compiler nor clippy holds: who may import whom, how long a file may
//! be, what things may not be called.
//!
//! A rule is a function from a [`Source`] to the [`Breach`]es in it. The tests run every rule over the workspace, and show of
//! each that it fails where it should.

mod breach;
pub mod circles;
pub mod errors;
mod imports;
pub mod layers;
pub mod manifest;
mod source;
pub mod style;

pub use breach::Breach;
pub use imports::{Import, imports};
pub use source::{Source, workspace_root, workspace_sources};
