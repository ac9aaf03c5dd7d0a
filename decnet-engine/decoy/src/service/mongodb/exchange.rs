//! A login with several messages.

/// A login that goes on.
pub(super) struct Exchange {
    pub(super) method: &'static str,
    pub(super) user: String,
    pub(super) database: String,
    /// The first messages of the visitor and of the server.
    pub(super) start: String,
}
