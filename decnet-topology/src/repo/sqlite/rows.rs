//! How values of the model stand in columns, and back.

use std::{fmt::Display, str::FromStr};

use ipnet::Ipv4Net;
use jiff::Timestamp;
use rusqlite::{Row, types::FromSql};
use serde::{Serialize, de::DeserializeOwned};

use super::fault::{Fault, corrupt};
use crate::{model::TopologyRow, repo::RepoError, version::Version};

/// A topology's row, with its key: what its children refer to.
#[derive(Debug)]
pub(super) struct Keyed {
    pub(super) key: i64,
    pub(super) row: TopologyRow,
}

/// The columns that [`keyed`] reads.
pub(super) const COLUMNS: &str = "key, id, name, mode, host, status, intent, version, created_at, changed_at, \
                                  needs_resync, config, settings";

/// Reads the row of a topology.
pub(super) fn keyed(row: &Row<'_>) -> Result<Keyed, Fault> {
    let version: i64 = row.get("version")?;
    let version = u64::try_from(version).map_err(|_| corrupt(format!("version {version}")))?;
    Ok(Keyed {
        key: row.get("key")?,
        row: TopologyRow {
            id: word(row, "id")?,
            name: word(row, "name")?,
            mode: word(row, "mode")?,
            host: row.get("host")?,
            status: word(row, "status")?,
            intent: maybe_word(row, "intent")?,
            version: Version::new(version),
            created_at: word(row, "created_at")?,
            changed_at: word(row, "changed_at")?,
            needs_resync: row.get("needs_resync")?,
            config: match row.get::<_, Option<String>>("config")? {
                Some(text) => Some(from_json(&text, "config")?),
                None => None,
            },
            settings: json(row, "settings")?,
        },
    })
}

/// Reads a column whose text stands for a value.
pub(super) fn word<T: FromStr<Err: Display>>(row: &Row<'_>, column: &str) -> Result<T, Fault> {
    parse(&row.get::<_, String>(column)?, column)
}

/// Reads a column whose text, if there is one, stands for a value.
pub(super) fn maybe_word<T: FromStr<Err: Display>>(row: &Row<'_>, column: &str) -> Result<Option<T>, Fault> {
    let text: Option<String> = row.get(column)?;
    text.map(|text| parse(&text, column)).transpose()
}

fn parse<T: FromStr<Err: Display>>(text: &str, column: &str) -> Result<T, Fault> {
    text.parse()
        .map_err(|error: T::Err| corrupt(format!("{column} `{text}`: {error}")))
}

/// Reads a column that holds JSON.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Result<T, Fault> {
    from_json(&row.get::<_, String>(column)?, column)
}

fn from_json<T: DeserializeOwned>(text: &str, column: &str) -> Result<T, Fault> {
    serde_json::from_str(text).map_err(|error| corrupt(format!("{column}: {error}")))
}

/// Writes a value as JSON.
pub(super) fn to_json(value: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(value).map_err(|error| RepoError::Medium { source: error.into() }.into())
}

/// Writes a moment so that texts sort as the moments do: all nine digits of the second.
pub(super) fn moment(at: Timestamp) -> String {
    format!("{at:.9}")
}

/// Reads a column that holds a whole number of another width.
pub(super) fn whole<T: TryFrom<i64>>(row: &Row<'_>, column: &str) -> Result<T, Fault> {
    let number: i64 = row.get(column)?;
    T::try_from(number).map_err(|_| corrupt(format!("{column} {number}")))
}

/// Reads the subnet that goes from one address to another.
pub(super) fn subnet(row: &Row<'_>) -> Result<Ipv4Net, Fault> {
    let (first, last): (u32, u32) = (whole(row, "first_address")?, whole(row, "last_address")?);
    let prefix = u8::try_from((first ^ last).leading_zeros()).unwrap_or(u8::MAX);
    Ipv4Net::new(first.into(), prefix)
        .ok()
        .filter(|subnet| subnet.network().to_bits() == first && subnet.broadcast().to_bits() == last)
        .ok_or_else(|| corrupt(format!("no subnet goes from address {first} to {last}")))
}

/// Reads all rows of a statement.
pub(super) fn collect<T>(
    mut rows: rusqlite::Rows<'_>,
    mut read: impl FnMut(&Row<'_>) -> Result<T, Fault>,
) -> Result<Vec<T>, Fault> {
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        all.push(read(row)?);
    }
    Ok(all)
}

/// Reads the only column of the first row, if there is one.
pub(super) fn first<T: FromSql>(mut rows: rusqlite::Rows<'_>) -> Result<Option<T>, Fault> {
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
}
