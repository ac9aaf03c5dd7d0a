//! The integration tests of the core.

mod repo;
