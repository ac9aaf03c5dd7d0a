//! Support for tests of custom repos.

pub mod contract;
#[cfg(feature = "postgres")]
mod postgres;
pub mod strategies;

#[cfg(feature = "postgres")]
pub use postgres::PostgresDatabase;
