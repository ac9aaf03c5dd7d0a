//! The backend in one SQLite file.

mod access;
mod check;
mod columns;
mod commits;
mod create;
mod fault;
mod image;
mod lock;
mod schema;
mod store;
mod tables;
#[cfg(test)]
mod tests;
mod transaction;
mod wal;

pub use store::{SqliteOptions, SqliteRepo};
