//! Versions of Docker's API, on which what should be there depends.

use serde::Serialize;

/// A version of Docker's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ApiVersion {
    /// Before the dot.
    pub major: u16,
    /// After the dot.
    pub minor: u16,
}

impl ApiVersion {
    /// Makes a version of API 1.
    pub const fn v1(minor: u16) -> Self {
        Self { major: 1, minor }
    }
}
