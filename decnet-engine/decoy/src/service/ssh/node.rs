//! A file in a session.

/// A file or directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    Directory,
    File(String),
    /// A file that has no text to show, of this size.
    Binary(usize),
    /// A file that only root may read.
    Secret(String),
}
