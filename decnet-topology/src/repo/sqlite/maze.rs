//! The maze of a topology in its tables: LANs, deckies, attachments.

use std::collections::HashMap;

use rusqlite::{Transaction, params};

use super::{
    fault::{Fault, corrupt},
    rows::{Columns, collect, to_json},
};
use crate::{
    id::{DeckyId, LanId, TopologyId},
    model::{Attachment, Decky, Lan, Position, Topology},
    name::Name,
    repo::{Claim, claims::refuse_claimed},
};

/// The range that every subnet lies in.
pub(super) const EVERYWHERE: (u32, u32) = (0, u32::MAX);

/// Returns the claims that reach into a range of addresses, in order of address.
pub(super) fn claims(
    moment: &Transaction<'_>,
    except: Option<TopologyId>,
    range: (u32, u32),
) -> Result<Vec<Claim>, Fault> {
    let mut statement = moment.prepare_cached(
        "SELECT t.id AS topology, t.name AS by, l.name AS lan, first_address, last_address
         FROM lans l JOIN topologies t ON t.key = l.topology
         WHERE first_address <= ?2 AND last_address >= ?1 AND t.status <> 'torn_down' AND t.id IS NOT ?3
         ORDER BY first_address, last_address DESC, t.created_at, t.id, l.id",
    )?;
    let except = except.map(|id| id.to_string());
    collect(statement.query(params![range.0, range.1, except])?, |row| {
        Ok(Claim {
            topology: row.word()?,
            name: row.word()?,
            lan: row.word()?,
            subnet: row.subnet()?,
        })
    })
}

/// Refuses a maze of which a subnet overlaps a claim of another topology.
pub(super) fn refuse(tx: &Transaction<'_>, except: Option<TopologyId>, topology: &Topology) -> Result<(), Fault> {
    let subnets = || topology.lans().iter().map(Lan::subnet);
    let first = subnets().map(|subnet| subnet.network()).min();
    let last = subnets().map(|subnet| subnet.broadcast()).max();
    let (Some(first), Some(last)) = (first, last) else {
        return Ok(());
    };
    let claims = claims(tx, except, (first.to_bits(), last.to_bits()))?;
    Ok(refuse_claimed(&claims, subnets())?)
}

/// Writes the maze of a topology that has none.
pub(super) fn write(tx: &Transaction<'_>, key: i64, topology: &Topology) -> Result<(), Fault> {
    let mut statement = tx.prepare_cached(
        "INSERT INTO lans (topology, id, name, first_address, last_address, is_dmz, x, y)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    for lan in topology.lans() {
        let Position { x, y } = lan.position();
        let (first, last) = (lan.subnet().network().to_bits(), lan.subnet().broadcast().to_bits());
        statement.execute(params![
            key,
            lan.id().ordinal(),
            lan.name().as_str(),
            first,
            last,
            lan.is_dmz(),
            x,
            y
        ])?;
    }
    let mut statement = tx.prepare_cached(
        "INSERT INTO deckies (topology, id, name, services, service_config, archetype, forwards_l3, x, y)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    for decky in topology.deckies() {
        let Position { x, y } = decky.position();
        statement.execute(params![
            key,
            decky.id().ordinal(),
            decky.name().as_str(),
            to_json(decky.services())?,
            to_json(decky.service_config())?,
            decky.archetype(),
            decky.forwards_l3(),
            x,
            y,
        ])?;
    }
    let mut statement = tx
        .prepare_cached("INSERT INTO attachments (topology, decky, place, lan, address) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for decky in topology.deckies() {
        for (place, attachment) in (0_i64..).zip(decky.attachments()) {
            let (lan, address) = (attachment.lan.ordinal(), attachment.ip.to_bits());
            statement.execute(params![key, decky.id().ordinal(), place, lan, address])?;
        }
    }
    Ok(())
}

/// Removes the maze of a topology; children before what they refer to, which spares a search for each.
pub(super) fn clear(tx: &Transaction<'_>, key: i64) -> Result<(), Fault> {
    for table in ["attachments", "deckies", "lans"] {
        tx.prepare_cached(&format!("DELETE FROM {table} WHERE topology = ?1"))?
            .execute([key])?;
    }
    Ok(())
}

/// Reads the maze of a topology.
pub(super) fn read(moment: &Transaction<'_>, key: i64) -> Result<Topology, Fault> {
    let mut statement = moment.prepare_cached(
        "SELECT id, name, first_address, last_address, is_dmz, x, y FROM lans WHERE topology = ?1 ORDER BY id",
    )?;
    let lans = collect(statement.query([key])?, |row| {
        let lan = Lan::new(LanId::new(row.whole()?), row.word()?, row.subnet()?, row.value()?);
        Ok(lan.at(position(row)?))
    })?;
    let mut statement = moment
        .prepare_cached("SELECT decky, lan, address FROM attachments WHERE topology = ?1 ORDER BY decky, place")?;
    let attachments = collect(statement.query([key])?, |row| {
        let decky = DeckyId::new(row.whole()?);
        let attachment = Attachment {
            lan: LanId::new(row.whole()?),
            ip: row.whole::<u32>()?.into(),
        };
        Ok((decky, attachment))
    })?;
    let mut attachments = attachments.into_iter().peekable();
    let mut statement = moment.prepare_cached(
        "SELECT id, name, services, service_config, archetype, forwards_l3, x, y
         FROM deckies WHERE topology = ?1 ORDER BY id",
    )?;
    let mut kinds = Kinds::default();
    let deckies = collect(statement.query([key])?, |row| {
        let id = DeckyId::new(row.whole()?);
        let own = std::iter::from_fn(|| attachments.next_if(|(decky, _)| *decky == id));
        let decky = kinds
            .decky(id, row.word()?, row)?
            .forwarding(row.value()?)
            .with_attachments(own.map(|(_, attachment)| attachment));
        Ok(decky.at(position(row)?))
    })?;
    Topology::new(lans, deckies).map_err(|error| corrupt(error.to_string()))
}

/// What deckies run, by the texts that say it: most of a maze run what others run, whose texts need not be parsed again.
#[derive(Default)]
struct Kinds {
    known: HashMap<String, Decky>,
    /// The texts of one decky, in one.
    texts: String,
}

impl Kinds {
    /// Reads what a decky runs: services, their configuration, the archetype.
    fn decky(&mut self, id: DeckyId, name: Name, row: &mut Columns<'_>) -> Result<Decky, Fault> {
        let mut unread = *row;
        self.texts.clear();
        // No text of JSON has a control character in it.
        for text in [row.text()?, "\0", row.text()?] {
            self.texts.push_str(text);
        }
        if let Some(archetype) = row.maybe_text()? {
            self.texts.extend(["\0", archetype]);
        }
        if let Some(known) = self.known.get(&self.texts) {
            return Ok(known.twin(id, name));
        }
        let decky = Decky::new(id, name)
            .with_services(unread.json::<Vec<_>>()?)
            .with_service_config(unread.json()?)
            .with_archetype(unread.value()?);
        self.known.insert(self.texts.clone(), decky.clone());
        Ok(decky)
    }
}

fn position(row: &mut Columns<'_>) -> Result<Position, Fault> {
    Ok(Position {
        x: row.value()?,
        y: row.value()?,
    })
}
