//! The table `deckies`.

use std::collections::{BTreeMap, HashMap};

use crate::{
    id::{DeckyId, TopologyId},
    model::{Attachment, Decky, Position},
    name::Name,
    repo::{
        RepoError,
        sql::{Columns, Sql, Value, collect},
    },
};

/// Adds the deckies of a topology, without their attachments.
pub(in crate::repo) fn insert(sql: &mut dyn Sql, key: i64, deckies: &[Decky]) -> Result<(), RepoError> {
    let mut rows = deckies.iter().map(|decky| {
        let Position { x, y } = decky.position();
        Ok(vec![
            key.into(),
            decky.id().ordinal().into(),
            decky.name().as_str().into(),
            Value::json(&decky.services())?,
            Value::json(&decky.service_config())?,
            decky.archetype().into(),
            decky.persona().map_or(Ok(Value::Null), Value::json)?,
            decky.forwards_l3().into(),
            x.map(f64::from).into(),
            y.map(f64::from).into(),
        ])
    });
    sql.execute_each(
        "INSERT INTO deckies (topology, id, name, services, service_config, archetype, persona, forwards_l3, x, y)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        &mut rows,
    )
}

/// Returns the deckies of a topology with their attachments; these are given in order of decky.
pub(in crate::repo) fn list(
    sql: &mut dyn Sql,
    key: i64,
    attachments: Vec<(DeckyId, Attachment)>,
) -> Result<Vec<Decky>, RepoError> {
    let mut attachments = attachments.into_iter().peekable();
    let statement = "SELECT id, name, services, service_config, archetype, persona, forwards_l3, x, y
                     FROM deckies WHERE topology = ?1 ORDER BY id";
    let mut kinds = Kinds::default();
    collect(sql, statement, &[key.into()], |row| {
        let id = DeckyId::new(row.whole()?);
        let own = std::iter::from_fn(|| attachments.next_if(|(decky, _)| *decky == id));
        let decky = kinds
            .decky(id, row.word()?, row)?
            .forwarding(row.flag()?)
            .with_attachments(own.map(|(_, attachment)| attachment));
        Ok(decky.at(row.position()?))
    })
}

/// Counts the deckies of each topology that the agent of a host has.
pub(in crate::repo) fn count_pushed(sql: &mut dyn Sql) -> Result<BTreeMap<TopologyId, usize>, RepoError> {
    let statement = "SELECT topologies.id, count(*) FROM topologies JOIN deckies ON deckies.topology = topologies.key
                     WHERE mode = 'agent' AND status NOT IN ('pending', 'torn_down') GROUP BY topologies.id";
    let counts = collect(sql, statement, &[], |row| Ok((row.word()?, row.whole()?)))?;
    Ok(counts.into_iter().collect())
}

/// Removes the rows of a topology.
pub(in crate::repo) fn delete(sql: &mut dyn Sql, key: i64) -> Result<(), RepoError> {
    sql.execute("DELETE FROM deckies WHERE topology = ?1", &[key.into()])
        .map(drop)
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
    fn decky(&mut self, id: DeckyId, name: Name, row: &mut Columns<'_>) -> Result<Decky, RepoError> {
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
            .with_archetype(unread.maybe_text()?.map(Into::into))
            .with_persona(unread.maybe_json()?);
        self.known.insert(self.texts.clone(), decky.clone());
        Ok(decky)
    }
}
