//! The values that are bound to a statement.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Serialize;

use crate::repo::RepoError;

/// A value for a parameter of a statement.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::repo) enum Value<'a> {
    /// No value.
    Null,
    /// A whole number.
    Integer(i64),
    /// A floating-point number.
    Real(f64),
    /// A truth value.
    Flag(bool),
    /// A text.
    Text(Cow<'a, str>),
}

impl<'a> Value<'a> {
    /// A value as JSON.
    pub(super) fn json(value: &impl Serialize) -> Result<Value<'a>, RepoError> {
        match serde_json::to_string(value) {
            Ok(text) => Ok(Value::Text(text.into())),
            Err(error) => Err(RepoError::Medium { source: error.into() }),
        }
    }

    /// A word of the model, an id for instance.
    pub(super) fn word(value: &impl ToString) -> Value<'a> {
        Value::Text(value.to_string().into())
    }

    /// A count of rows.
    pub(super) fn count(count: usize) -> Value<'a> {
        Value::Integer(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// The limit of a page; no limit is the largest number, which all databases accept.
    pub(super) fn limit(limit: Option<usize>) -> Value<'a> {
        limit.map_or(Value::Integer(i64::MAX), Value::count)
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Self::Integer(number.into())
    }
}

impl From<f64> for Value<'_> {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

impl From<bool> for Value<'_> {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text.into())
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<Timestamp> for Value<'_> {
    /// Writes a timestamp so that texts sort in order of time: with all nine digits of the second.
    fn from(at: Timestamp) -> Self {
        Self::Text(format!("{at:.9}").into())
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
