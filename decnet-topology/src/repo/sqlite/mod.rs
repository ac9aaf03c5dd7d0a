//! The backend in one SQLite file.

mod access;
mod check;
mod commits;
mod create;
mod fault;
mod image;
mod lock;
mod schema;
mod statement;
mod store;
#[cfg(test)]
mod tests;
mod wal;

pub use store::{SqliteOptions, SqliteRepo};
