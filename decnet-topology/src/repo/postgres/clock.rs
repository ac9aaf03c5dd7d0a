//! The clock of leases.

/// Whose clock measures leases and claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LeaseClock {
    /// The server's, by default: the clocks of the hosts that share the store may differ.
    #[default]
    Server,
    /// The caller's, as in the other stores. It is for tests and simulations, which choose the time.
    Caller,
}
