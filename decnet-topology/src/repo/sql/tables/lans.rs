//! The table `lans`.

use std::ops::RangeInclusive;

use crate::{
    id::{LanId, TopologyId},
    model::{Lan, Position},
    repo::{
        RepoError, SubnetClaim,
        sql::{Sql, Value, collect},
    },
};

/// Returns the claims that overlap a range of addresses, in order of address.
pub(in crate::repo) fn claims(
    sql: &mut dyn Sql,
    except: Option<TopologyId>,
    range: &RangeInclusive<u32>,
) -> Result<Vec<SubnetClaim>, RepoError> {
    let statement = "SELECT t.id AS topology, t.name AS by, l.name AS lan, first_address, last_address
         FROM lans l JOIN topologies t ON t.key = l.topology
         WHERE first_address <= ?2 AND last_address >= ?1 AND t.status <> 'torn_down' AND t.id IS DISTINCT FROM ?3
         ORDER BY first_address, last_address DESC, t.created_at, t.id, l.id";
    let except = except.map(|id| id.to_string());
    let values = [(*range.start()).into(), (*range.end()).into(), Value::from(except)];
    collect(sql, statement, &values, |row| {
        Ok(SubnetClaim {
            topology: row.word()?,
            name: row.word()?,
            lan: row.word()?,
            subnet: row.subnet()?,
        })
    })
}

/// Adds the LANs of a topology.
pub(in crate::repo) fn insert(sql: &mut dyn Sql, key: i64, lans: &[Lan]) -> Result<(), RepoError> {
    let mut rows = lans.iter().map(|lan| {
        let Position { x, y } = lan.position();
        let (first, last) = (lan.subnet().network().to_bits(), lan.subnet().broadcast().to_bits());
        Ok(vec![
            key.into(),
            lan.id().ordinal().into(),
            lan.name().as_str().into(),
            first.into(),
            last.into(),
            lan.is_dmz().into(),
            x.map(f64::from).into(),
            y.map(f64::from).into(),
        ])
    });
    sql.execute_each(
        "INSERT INTO lans (topology, id, name, first_address, last_address, is_dmz, x, y)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        &mut rows,
    )
}

/// Returns the LANs of a topology.
pub(in crate::repo) fn list(sql: &mut dyn Sql, key: i64) -> Result<Vec<Lan>, RepoError> {
    let statement =
        "SELECT id, name, first_address, last_address, is_dmz, x, y FROM lans WHERE topology = ?1 ORDER BY id";
    collect(sql, statement, &[key.into()], |row| {
        let lan = Lan::new(LanId::new(row.whole()?), row.word()?, row.subnet()?, row.flag()?);
        Ok(lan.at(row.position()?))
    })
}

/// Removes the rows of a topology.
pub(in crate::repo) fn delete(sql: &mut dyn Sql, key: i64) -> Result<(), RepoError> {
    sql.execute("DELETE FROM lans WHERE topology = ?1", &[key.into()])
        .map(drop)
}
