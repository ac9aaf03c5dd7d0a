//! The backend in a PostgreSQL database, which several hosts share.

mod address;
mod channel;
mod clock;
mod fault;
mod raw;
mod schema;
mod silence;
mod statement;
mod store;
mod tls;
mod transaction;

pub use channel::{PostgresReceiver, PostgresSender};
pub use clock::LeaseClock;
pub use store::{PostgresOptions, PostgresRepo};
