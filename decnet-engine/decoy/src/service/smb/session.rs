//! The sessions of a visitor.

/// A login: under way, or done.
#[derive(Debug)]
pub(super) struct Login {
    pub(super) challenge: [u8; 8],
    /// How the visitor was let in; none until then.
    pub(super) access: Option<Access>,
}

/// How a visitor was let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Anonymous,
    Guest,
}
