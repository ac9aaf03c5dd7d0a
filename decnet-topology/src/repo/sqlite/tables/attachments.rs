//! The table `attachments`.

use rusqlite::{Transaction, params};

use crate::{
    id::{DeckyId, LanId},
    model::{Attachment, Decky},
    repo::sqlite::{columns::collect, fault::Fault},
};

/// Adds the attachments of deckies.
pub(in crate::repo::sqlite) fn insert(tx: &Transaction<'_>, key: i64, deckies: &[Decky]) -> Result<(), Fault> {
    let mut statement = tx
        .prepare_cached("INSERT INTO attachments (topology, decky, place, lan, address) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for decky in deckies {
        for (place, attachment) in (0_i64..).zip(decky.attachments()) {
            let (lan, address) = (attachment.lan.ordinal(), attachment.ip.to_bits());
            statement.execute(params![key, decky.id().ordinal(), place, lan, address])?;
        }
    }
    Ok(())
}

/// Returns the attachments of a topology, in order of decky and position.
pub(in crate::repo::sqlite) fn list(moment: &Transaction<'_>, key: i64) -> Result<Vec<(DeckyId, Attachment)>, Fault> {
    let mut statement = moment
        .prepare_cached("SELECT decky, lan, address FROM attachments WHERE topology = ?1 ORDER BY decky, place")?;
    collect(statement.query([key])?, |row| {
        let decky = DeckyId::new(row.whole()?);
        let attachment = Attachment {
            lan: LanId::new(row.whole()?),
            ip: row.whole::<u32>()?.into(),
        };
        Ok((decky, attachment))
    })
}

/// Removes the rows of a topology.
pub(in crate::repo::sqlite) fn delete(tx: &Transaction<'_>, key: i64) -> Result<(), Fault> {
    tx.prepare_cached("DELETE FROM attachments WHERE topology = ?1")?
        .execute([key])?;
    Ok(())
}
