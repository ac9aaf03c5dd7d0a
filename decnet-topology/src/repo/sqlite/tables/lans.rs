//! The table `lans`.

use std::ops::RangeInclusive;

use rusqlite::{Transaction, params};

use crate::{
    id::{LanId, TopologyId},
    model::{Lan, Position},
    repo::{
        SubnetClaim,
        sqlite::{columns::collect, fault::Fault},
    },
};

/// Returns the claims that overlap a range of addresses, in order of address.
pub(in crate::repo::sqlite) fn claims(
    moment: &Transaction<'_>,
    except: Option<TopologyId>,
    range: &RangeInclusive<u32>,
) -> Result<Vec<SubnetClaim>, Fault> {
    let mut statement = moment.prepare_cached(
        "SELECT t.id AS topology, t.name AS by, l.name AS lan, first_address, last_address
         FROM lans l JOIN topologies t ON t.key = l.topology
         WHERE first_address <= ?2 AND last_address >= ?1 AND t.status <> 'torn_down' AND t.id IS NOT ?3
         ORDER BY first_address, last_address DESC, t.created_at, t.id, l.id",
    )?;
    let except = except.map(|id| id.to_string());
    collect(statement.query(params![range.start(), range.end(), except])?, |row| {
        Ok(SubnetClaim {
            topology: row.word()?,
            name: row.word()?,
            lan: row.word()?,
            subnet: row.subnet()?,
        })
    })
}

/// Adds the LANs of a topology.
pub(in crate::repo::sqlite) fn insert(tx: &Transaction<'_>, key: i64, lans: &[Lan]) -> Result<(), Fault> {
    let mut statement = tx.prepare_cached(
        "INSERT INTO lans (topology, id, name, first_address, last_address, is_dmz, x, y)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    for lan in lans {
        let Position { x, y } = lan.position();
        let (first, last) = (lan.subnet().network().to_bits(), lan.subnet().broadcast().to_bits());
        statement.execute(params![
            key,
            lan.id().ordinal(),
            lan.name().as_str(),
            first,
            last,
            lan.is_dmz(),
            x.map(f64::from),
            y.map(f64::from)
        ])?;
    }
    Ok(())
}

/// Returns the LANs of a topology.
pub(in crate::repo::sqlite) fn list(moment: &Transaction<'_>, key: i64) -> Result<Vec<Lan>, Fault> {
    let mut statement = moment.prepare_cached(
        "SELECT id, name, first_address, last_address, is_dmz, x, y FROM lans WHERE topology = ?1 ORDER BY id",
    )?;
    collect(statement.query([key])?, |row| {
        let lan = Lan::new(LanId::new(row.whole()?), row.word()?, row.subnet()?, row.value()?);
        Ok(lan.at(row.position()?))
    })
}

/// Removes the rows of a topology.
pub(in crate::repo::sqlite) fn delete(tx: &Transaction<'_>, key: i64) -> Result<(), Fault> {
    tx.prepare_cached("DELETE FROM lans WHERE topology = ?1")?
        .execute([key])?;
    Ok(())
}
