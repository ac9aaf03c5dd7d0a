//! What edits and mutations changed of deckies, in their table.

use jiff::Timestamp;
use rusqlite::{Transaction, params};

use super::{
    fault::Fault,
    maze,
    rows::{self, collect, to_json},
    topologies,
};
use crate::{
    history,
    id::{MutationId, TopologyId},
    model::Topology,
    repo::RecordedChange,
};

/// Puts a maze in the place of the one before, and writes down what that changes of its deckies.
pub(super) fn replace(
    tx: &Transaction<'_>,
    key: i64,
    topology: &Topology,
    mutation: Option<MutationId>,
    at: Timestamp,
) -> Result<(), Fault> {
    let before = maze::read(tx, key)?;
    let mut statement =
        tx.prepare_cached("INSERT INTO decky_changes (topology, mutation, at, change) VALUES (?1, ?2, ?3, ?4)")?;
    let (mutation, moment) = (mutation.map(|id| id.get().cast_signed()), rows::moment(at));
    for change in history::changes(&before, topology) {
        statement.execute(params![key, mutation, moment, to_json(&change)?])?;
    }
    maze::clear(tx, key)?;
    maze::write(tx, key, topology)
}

/// Returns the changes that were stored later than some time, oldest first.
pub(super) fn list(
    moment: &Transaction<'_>,
    id: TopologyId,
    since: Option<Timestamp>,
) -> Result<Vec<RecordedChange>, Fault> {
    let key = topologies::key(moment, id)?;
    let mut statement = moment.prepare_cached(
        "SELECT at, mutation, change FROM decky_changes
         WHERE topology = ?1 AND (?2 IS NULL OR at > ?2) ORDER BY key",
    )?;
    collect(statement.query(params![key, since.map(rows::moment)])?, |row| {
        Ok(RecordedChange {
            at: row.word()?,
            mutation: row.maybe_whole()?.map(MutationId::new),
            change: row.json()?,
        })
    })
}
