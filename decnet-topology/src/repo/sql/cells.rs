//! The columns of one row of a result.

use crate::repo::RepoError;

/// Reads the columns of a row by their numbers. A value of another type is a damaged store ([`RepoError::Corrupt`]).
pub(in crate::repo) trait Cells {
    /// Reads a whole number; none if the column is null.
    fn integer(&self, column: usize) -> Result<Option<i64>, RepoError>;

    /// Reads a floating-point number; none if the column is null.
    fn real(&self, column: usize) -> Result<Option<f64>, RepoError>;

    /// Reads a truth value; none if the column is null.
    fn flag(&self, column: usize) -> Result<Option<bool>, RepoError>;

    /// Reads a text; none if the column is null.
    fn text(&self, column: usize) -> Result<Option<&str>, RepoError>;

    /// Returns the name of a column.
    fn name(&self, column: usize) -> &str;
}
