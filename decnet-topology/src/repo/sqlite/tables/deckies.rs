//! The table `deckies`.

use std::collections::HashMap;

use rusqlite::{Transaction, params};

use crate::{
    id::DeckyId,
    model::{Attachment, Decky, Position},
    name::Name,
    repo::sqlite::{
        columns::{Columns, collect, to_json},
        fault::Fault,
    },
};

/// Adds the deckies of a topology, without their attachments.
pub(in crate::repo::sqlite) fn insert(tx: &Transaction<'_>, key: i64, deckies: &[Decky]) -> Result<(), Fault> {
    let mut statement = tx.prepare_cached(
        "INSERT INTO deckies (topology, id, name, services, service_config, archetype, persona, forwards_l3, x, y)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    for decky in deckies {
        let Position { x, y } = decky.position();
        statement.execute(params![
            key,
            decky.id().ordinal(),
            decky.name().as_str(),
            to_json(decky.services())?,
            to_json(decky.service_config())?,
            decky.archetype(),
            decky.persona().map(to_json).transpose()?,
            decky.forwards_l3(),
            x.map(f64::from),
            y.map(f64::from),
        ])?;
    }
    Ok(())
}

/// Returns the deckies of a topology with their attachments; these are given in order of decky.
pub(in crate::repo::sqlite) fn list(
    moment: &Transaction<'_>,
    key: i64,
    attachments: Vec<(DeckyId, Attachment)>,
) -> Result<Vec<Decky>, Fault> {
    let mut attachments = attachments.into_iter().peekable();
    let mut statement = moment.prepare_cached(
        "SELECT id, name, services, service_config, archetype, persona, forwards_l3, x, y
         FROM deckies WHERE topology = ?1 ORDER BY id",
    )?;
    let mut kinds = Kinds::default();
    collect(statement.query([key])?, |row| {
        let id = DeckyId::new(row.whole()?);
        let own = std::iter::from_fn(|| attachments.next_if(|(decky, _)| *decky == id));
        let decky = kinds
            .decky(id, row.word()?, row)?
            .forwarding(row.value()?)
            .with_attachments(own.map(|(_, attachment)| attachment));
        Ok(decky.at(row.position()?))
    })
}

/// Removes the rows of a topology.
pub(in crate::repo::sqlite) fn delete(tx: &Transaction<'_>, key: i64) -> Result<(), Fault> {
    tx.prepare_cached("DELETE FROM deckies WHERE topology = ?1")?
        .execute([key])?;
    Ok(())
}

/// The parsed workloads, by their stored texts: most deckies share a workload, so their texts are parsed once.
#[derive(Default)]
struct Kinds {
    known: HashMap<String, Decky>,
    /// The texts of one decky, joined.
    texts: String,
}

impl Kinds {
    /// Reads the workload of a decky: services, their configuration, the archetype, the persona.
    fn decky(&mut self, id: DeckyId, name: Name, row: &mut Columns<'_>) -> Result<Decky, Fault> {
        let mut unread = *row;
        self.texts.clear();
        let (services, config, archetype, persona) = (row.text()?, row.text()?, row.maybe_text()?, row.maybe_text()?);
        // JSON texts contain no raw control characters. The archetype may be any text, so it comes last.
        self.texts
            .extend([services, "\0", config, "\0", persona.unwrap_or_default()]);
        if let Some(archetype) = archetype {
            self.texts.extend(["\0", archetype]);
        }
        if let Some(known) = self.known.get(&self.texts) {
            return Ok(known.twin(id, name));
        }
        let decky = Decky::new(id, name)
            .with_services(unread.json::<Vec<_>>()?)
            .with_service_config(unread.json()?)
            .with_archetype(unread.value()?)
            .with_persona(unread.maybe_json()?);
        self.known.insert(self.texts.clone(), decky.clone());
        Ok(decky)
    }
}
