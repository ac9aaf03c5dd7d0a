//! The statements of the stores in databases, written once for all databases.
//!
//! [`Sql`] runs a statement in an open transaction, and [`Cells`] reads the columns of a row. A database implements both.
//! [`SqlTables`] has the tables of a store on top of them. Where databases differ, a statement uses what all of them know; the
//! rest is in [`Dialect`].

mod cells;
mod check;
mod columns;
mod statement;
pub(super) mod tables;
mod transaction;
mod value;

pub(super) use cells::Cells;
pub(super) use check::damage;
pub(super) use columns::{Columns, corrupt};
#[cfg(feature = "postgres")]
pub(super) use statement::Locks;
use statement::one_of;
pub(super) use statement::{Dialect, Rows, Sql, collect};
pub(super) use transaction::SqlTables;
pub(super) use value::Value;
