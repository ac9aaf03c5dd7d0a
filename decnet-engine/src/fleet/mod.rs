//! The master's side of a fleet, and what both sides share.

pub(crate) mod secure;
