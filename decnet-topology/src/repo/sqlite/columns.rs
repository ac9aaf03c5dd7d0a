//! Conversion of values of the model to columns and back.

use std::{fmt::Display, str::FromStr};

use ipnet::Ipv4Net;
use jiff::Timestamp;
use rusqlite::{
    Row,
    types::{FromSql, FromSqlError, ValueRef},
};
use serde::{Deserialize, Serialize};

use super::fault::{Fault, corrupt};
use crate::{
    model::{Coordinate, Position},
    repo::{Holder, RepoError},
};

/// A row that is read from left to right: each column once, in the order of the statement.
#[derive(Clone, Copy)]
pub(super) struct Columns<'row> {
    row: &'row Row<'row>,
    next: usize,
}

impl<'row> Columns<'row> {
    pub(super) fn of(row: &'row Row<'row>) -> Self {
        Self { row, next: 0 }
    }

    fn step(&mut self) -> usize {
        let column = self.next;
        self.next += 1;
        column
    }

    /// Returns the name of the last column that was read.
    fn name(&self) -> &'row str {
        let column = self.next.saturating_sub(1);
        self.row.as_ref().column_name(column).unwrap_or_default()
    }

    /// Reads a column with a native SQLite value.
    pub(super) fn value<T: FromSql>(&mut self) -> Result<T, Fault> {
        let column = self.step();
        Ok(self.row.get(column)?)
    }

    /// Reads a column of text without a copy.
    pub(super) fn text(&mut self) -> Result<&'row str, Fault> {
        let column = self.step();
        let value = self.row.get_ref(column)?;
        value.as_str().map_err(|error| self.not_text(value, &error))
    }

    /// Reads a nullable column of text without a copy.
    pub(super) fn maybe_text(&mut self) -> Result<Option<&'row str>, Fault> {
        let column = self.step();
        let value = self.row.get_ref(column)?;
        value.as_str_or_null().map_err(|error| self.not_text(value, &error))
    }

    fn not_text(&self, value: ValueRef<'_>, error: &FromSqlError) -> Fault {
        let column = self.next.saturating_sub(1);
        let error = match error {
            FromSqlError::Utf8Error(error) => rusqlite::Error::Utf8Error(column, *error),
            _ => rusqlite::Error::InvalidColumnType(column, self.name().into(), value.data_type()),
        };
        error.into()
    }

    /// Reads a column of text and parses it.
    pub(super) fn word<T: FromStr<Err: Display>>(&mut self) -> Result<T, Fault> {
        let text = self.text()?;
        self.parse(text)
    }

    /// Reads a nullable column of text and parses it.
    pub(super) fn maybe_word<T: FromStr<Err: Display>>(&mut self) -> Result<Option<T>, Fault> {
        let text = self.maybe_text()?;
        text.map(|text| self.parse(text)).transpose()
    }

    fn parse<T: FromStr<Err: Display>>(&self, text: &str) -> Result<T, Fault> {
        text.parse()
            .map_err(|error: T::Err| corrupt(format!("{} `{text}`: {error}", self.name())))
    }

    /// Reads a column that holds JSON.
    pub(super) fn json<T: Deserialize<'row>>(&mut self) -> Result<T, Fault> {
        let text = self.text()?;
        self.parse_json(text)
    }

    /// Reads a nullable column of JSON.
    pub(super) fn maybe_json<T: Deserialize<'row>>(&mut self) -> Result<Option<T>, Fault> {
        let text = self.maybe_text()?;
        text.map(|text| self.parse_json(text)).transpose()
    }

    fn parse_json<T: Deserialize<'row>>(&self, text: &'row str) -> Result<T, Fault> {
        serde_json::from_str(text).map_err(|error| corrupt(format!("{}: {error}", self.name())))
    }

    /// Reads a column with an integer of another width.
    pub(super) fn whole<T: TryFrom<i64>>(&mut self) -> Result<T, Fault> {
        let number = self.value()?;
        self.narrow(number)
    }

    /// Reads a nullable column with an integer of another width.
    pub(super) fn maybe_whole<T: TryFrom<i64>>(&mut self) -> Result<Option<T>, Fault> {
        let number: Option<i64> = self.value()?;
        number.map(|number| self.narrow(number)).transpose()
    }

    fn narrow<T: TryFrom<i64>>(&self, number: i64) -> Result<T, Fault> {
        T::try_from(number).map_err(|_| corrupt(format!("{} {number}", self.name())))
    }

    /// Reads the four columns of a holder.
    pub(super) fn holder(&mut self) -> Result<Holder, Fault> {
        Ok(Holder {
            boot_id: self.value()?,
            pid: self.whole()?,
            started: self.value::<i64>()?.cast_unsigned(),
            label: self.value()?,
        })
    }

    /// Reads a position on the canvas from two columns.
    pub(super) fn position(&mut self) -> Result<Position, Fault> {
        Ok(Position {
            x: self.coordinate()?,
            y: self.coordinate()?,
        })
    }

    fn coordinate(&mut self) -> Result<Option<Coordinate>, Fault> {
        let number: Option<f64> = self.value()?;
        let coordinate = number.map(Coordinate::new).transpose();
        coordinate.map_err(|error| corrupt(format!("{}: {error}", self.name())))
    }

    /// Reads a subnet from its first address in one column and its last address in the next.
    pub(super) fn subnet(&mut self) -> Result<Ipv4Net, Fault> {
        let (first, last): (u32, u32) = (self.whole()?, self.whole()?);
        let prefix = u8::try_from((first ^ last).leading_zeros()).unwrap_or(u8::MAX);
        Ipv4Net::new(first.into(), prefix)
            .ok()
            .filter(|subnet| subnet.network().to_bits() == first && subnet.broadcast().to_bits() == last)
            .ok_or_else(|| corrupt(format!("no subnet goes from address {first} to {last}")))
    }
}

/// Reads all rows of a statement.
pub(super) fn collect<T>(
    mut rows: rusqlite::Rows<'_>,
    mut read: impl FnMut(&mut Columns<'_>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(read(&mut Columns::of(row))?);
    }
    Ok(all)
}

/// Reads the first row of a statement, if there is one.
pub(super) fn first<T>(
    mut rows: rusqlite::Rows<'_>,
    read: impl FnOnce(&mut Columns<'_>) -> Result<T, Fault>,
) -> Result<Option<T>, Fault> {
    rows.next()?.map(|row| read(&mut Columns::of(row))).transpose()
}

/// Reads the only column of a row.
pub(super) fn only<T: FromSql>(row: &mut Columns<'_>) -> Result<T, Fault> {
    row.value()
}

/// Writes a value as JSON.
pub(super) fn to_json(value: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| RepoError::Medium { source: error.into() }.into())
}

/// Writes a timestamp so that texts sort in order of time: with all nine digits of the second.
pub(super) fn moment(at: Timestamp) -> String {
    format!("{at:.9}")
}
