//! Conversion of columns to values of the model.

use std::{fmt::Display, str::FromStr};

use ipnet::Ipv4Net;
use serde::Deserialize;

use super::Cells;
use crate::{
    model::{Coordinate, Position},
    repo::{Holder, RepoError},
};

/// Returns the error for an invalid stored value.
pub(in crate::repo) fn corrupt(what: impl Into<String>) -> RepoError {
    RepoError::Corrupt { what: what.into() }
}

/// A row that is read from left to right: each column once, in the order of the statement.
#[derive(Clone, Copy)]
pub(in crate::repo) struct Columns<'row> {
    row: &'row dyn Cells,
    next: usize,
}

impl<'row> Columns<'row> {
    pub(super) fn of(row: &'row dyn Cells) -> Self {
        Self { row, next: 0 }
    }

    fn step(&mut self) -> usize {
        let column = self.next;
        self.next += 1;
        column
    }

    /// Returns the name of the last column that was read.
    fn name(&self) -> &'row str {
        self.row.name(self.next.saturating_sub(1))
    }

    fn present<T>(&self, value: Option<T>) -> Result<T, RepoError> {
        value.ok_or_else(|| corrupt(format!("{} has no value", self.name())))
    }

    /// Reads a column with a whole number.
    pub(in crate::repo) fn integer(&mut self) -> Result<i64, RepoError> {
        let number = self.maybe_integer()?;
        self.present(number)
    }

    /// Reads a nullable column with a whole number.
    pub(in crate::repo) fn maybe_integer(&mut self) -> Result<Option<i64>, RepoError> {
        let column = self.step();
        self.row.integer(column)
    }

    /// Reads a column with a truth value.
    pub(super) fn flag(&mut self) -> Result<bool, RepoError> {
        let column = self.step();
        let flag = self.row.flag(column)?;
        self.present(flag)
    }

    /// Reads a column of text without a copy.
    pub(in crate::repo) fn text(&mut self) -> Result<&'row str, RepoError> {
        let text = self.maybe_text()?;
        self.present(text)
    }

    /// Reads a nullable column of text without a copy.
    pub(super) fn maybe_text(&mut self) -> Result<Option<&'row str>, RepoError> {
        let column = self.step();
        self.row.text(column)
    }

    /// Reads a column of text.
    pub(super) fn string(&mut self) -> Result<String, RepoError> {
        Ok(self.text()?.to_owned())
    }

    /// Reads a nullable column of text.
    pub(super) fn maybe_string(&mut self) -> Result<Option<String>, RepoError> {
        Ok(self.maybe_text()?.map(str::to_owned))
    }

    /// Reads a column of text and parses it.
    pub(super) fn word<T: FromStr<Err: Display>>(&mut self) -> Result<T, RepoError> {
        let text = self.text()?;
        self.parse(text)
    }

    /// Reads a nullable column of text and parses it.
    pub(super) fn maybe_word<T: FromStr<Err: Display>>(&mut self) -> Result<Option<T>, RepoError> {
        let text = self.maybe_text()?;
        text.map(|text| self.parse(text)).transpose()
    }

    fn parse<T: FromStr<Err: Display>>(&self, text: &str) -> Result<T, RepoError> {
        text.parse()
            .map_err(|error: T::Err| corrupt(format!("{} `{text}`: {error}", self.name())))
    }

    /// Reads a column that holds JSON.
    pub(super) fn json<T: Deserialize<'row>>(&mut self) -> Result<T, RepoError> {
        let text = self.text()?;
        self.parse_json(text)
    }

    /// Reads a nullable column of JSON.
    pub(super) fn maybe_json<T: Deserialize<'row>>(&mut self) -> Result<Option<T>, RepoError> {
        let text = self.maybe_text()?;
        text.map(|text| self.parse_json(text)).transpose()
    }

    fn parse_json<T: Deserialize<'row>>(&self, text: &'row str) -> Result<T, RepoError> {
        serde_json::from_str(text).map_err(|error| corrupt(format!("{}: {error}", self.name())))
    }

    /// Reads a column with an integer of another width.
    pub(super) fn whole<T: TryFrom<i64>>(&mut self) -> Result<T, RepoError> {
        let number = self.integer()?;
        self.narrow(number)
    }

    /// Reads a nullable column with an integer of another width.
    pub(super) fn maybe_whole<T: TryFrom<i64>>(&mut self) -> Result<Option<T>, RepoError> {
        let number = self.maybe_integer()?;
        number.map(|number| self.narrow(number)).transpose()
    }

    fn narrow<T: TryFrom<i64>>(&self, number: i64) -> Result<T, RepoError> {
        T::try_from(number).map_err(|_| corrupt(format!("{} {number}", self.name())))
    }

    /// Reads the four columns of a holder.
    pub(super) fn holder(&mut self) -> Result<Holder, RepoError> {
        Ok(Holder {
            boot_id: self.string()?,
            pid: self.whole()?,
            started: self.integer()?.cast_unsigned(),
            label: self.string()?,
        })
    }

    /// Reads a position on the canvas from two columns.
    pub(super) fn position(&mut self) -> Result<Position, RepoError> {
        Ok(Position {
            x: self.coordinate()?,
            y: self.coordinate()?,
        })
    }

    fn coordinate(&mut self) -> Result<Option<Coordinate>, RepoError> {
        let column = self.step();
        let number = self.row.real(column)?;
        let coordinate = number.map(Coordinate::new).transpose();
        coordinate.map_err(|error| corrupt(format!("{}: {error}", self.name())))
    }

    /// Reads a subnet from its first address in one column and its last address in the next.
    pub(super) fn subnet(&mut self) -> Result<Ipv4Net, RepoError> {
        let (first, last): (u32, u32) = (self.whole()?, self.whole()?);
        let prefix = u8::try_from((first ^ last).leading_zeros()).unwrap_or(u8::MAX);
        Ipv4Net::new(first.into(), prefix)
            .ok()
            .filter(|subnet| subnet.network().to_bits() == first && subnet.broadcast().to_bits() == last)
            .ok_or_else(|| corrupt(format!("no subnet goes from address {first} to {last}")))
    }
}
