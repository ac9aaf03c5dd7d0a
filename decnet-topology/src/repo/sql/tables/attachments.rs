//! The table `attachments`.

use crate::{
    id::{DeckyId, LanId},
    model::{Attachment, Decky},
    repo::{
        RepoError,
        sql::{Sql, collect},
    },
};

/// Adds the attachments of deckies.
pub(in crate::repo) fn insert(sql: &mut dyn Sql, key: i64, deckies: &[Decky]) -> Result<(), RepoError> {
    let mut rows = deckies.iter().flat_map(|decky| {
        (0_i64..).zip(decky.attachments()).map(move |(place, attachment)| {
            let (lan, address) = (attachment.lan.ordinal(), attachment.ip.to_bits());
            Ok(vec![
                key.into(),
                decky.id().ordinal().into(),
                place.into(),
                lan.into(),
                address.into(),
            ])
        })
    });
    sql.execute_each(
        "INSERT INTO attachments (topology, decky, place, lan, address) VALUES (?1, ?2, ?3, ?4, ?5)",
        &mut rows,
    )
}

/// Returns the attachments of a topology, in order of decky and position.
pub(in crate::repo) fn list(sql: &mut dyn Sql, key: i64) -> Result<Vec<(DeckyId, Attachment)>, RepoError> {
    let statement = "SELECT decky, lan, address FROM attachments WHERE topology = ?1 ORDER BY decky, place";
    collect(sql, statement, &[key.into()], |row| {
        let decky = DeckyId::new(row.whole()?);
        let attachment = Attachment {
            lan: LanId::new(row.whole()?),
            ip: row.whole::<u32>()?.into(),
        };
        Ok((decky, attachment))
    })
}

/// Removes the rows of a topology.
pub(in crate::repo) fn delete(sql: &mut dyn Sql, key: i64) -> Result<(), RepoError> {
    sql.execute("DELETE FROM attachments WHERE topology = ?1", &[key.into()])
        .map(drop)
}
