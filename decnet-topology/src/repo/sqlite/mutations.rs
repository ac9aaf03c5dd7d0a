//! The queue of mutations in its table.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{ToSql, Transaction, params};

use super::{
    changes,
    fault::Fault,
    maze,
    rows::{Columns, Keyed, collect, first, moment, to_json},
    topologies,
};
use crate::{
    id::{ClaimToken, MutationId, TopologyId},
    model::{StoredTopology, Topology, TopologyRow},
    repo::{
        Holder, MutationClaim, MutationFilter, MutationPage, MutationRow, NewMutation, Outcome, RepoError,
        rules::queue::{self, Dismissal},
    },
    version::Version,
};

/// The columns that [`row`] reads.
const COLUMNS: &str = "id, (SELECT t.id FROM topologies t WHERE t.key = topology) AS topology_id, mutation, actor, state, \
                       version, attempts, enqueued_at, begun_at, stored_at, finished_at, reason, claim_token, \
                       claim_boot_id, claim_pid, claim_started, claim_label, claim_until";

/// What a claim writes, but for the mutation that it is on.
const CLAIM: &str = "UPDATE mutations
                     SET state = 'applying', attempts = attempts + 1, begun_at = coalesce(begun_at, ?1),
                         claim_token = ?2, claim_until = ?3, claim_boot_id = ?4, claim_pid = ?5, claim_started = ?6,
                         claim_label = ?7";

/// Holds of a topology `t` that takes mutations; what [`TopologyRow::takes_mutations`] says.
const TAKES_MUTATIONS: &str = "t.status IN ('active', 'degraded') AND t.intent IS NOT 'down'";

/// The mutations that can be claimed: of each topology with work, which it seeks one by one, the first, if no one is at work
/// on it. Its time is `?1`, the token that is superseded `?8`.
const CLAIMABLE: &str = "WITH RECURSIVE busy (topology) AS (
                             VALUES (-1)
                             UNION ALL
                             SELECT (SELECT min(m.topology) FROM mutations m
                                     WHERE m.finished_at IS NULL AND m.topology > busy.topology)
                             FROM busy WHERE busy.topology IS NOT NULL
                         )
                         SELECT m.id FROM busy CROSS JOIN topologies t CROSS JOIN mutations m
                         WHERE t.key = busy.topology
                           AND m.id = (SELECT min(o.id) FROM mutations o
                                       WHERE o.finished_at IS NULL AND o.topology = busy.topology)
                           AND (m.claim_token IS NULL OR m.claim_until <= ?1 OR m.claim_token = ?8)";

/// Returns the statement that claims the first mutation that can be claimed.
pub(super) fn claim_any() -> String {
    format!(
        "{CLAIM} WHERE id = (SELECT id FROM ({CLAIMABLE} AND {TAKES_MUTATIONS}) ORDER BY id LIMIT 1) RETURNING {COLUMNS}"
    )
}

/// Returns the statement that claims the first mutation of topology `?9`, if it can be claimed.
pub(super) fn claim_of_one() -> String {
    format!(
        "{CLAIM} WHERE id = (SELECT min(m.id) FROM mutations m WHERE m.finished_at IS NULL AND m.topology = ?9)
                   AND (claim_token IS NULL OR claim_until <= ?1 OR claim_token = ?8)
                   AND EXISTS (SELECT 1 FROM topologies t WHERE t.key = ?9 AND {TAKES_MUTATIONS})
         RETURNING {COLUMNS}"
    )
}

/// The statement that finds a mutation of a topology that is not finished.
pub(super) const PENDING: &str = "SELECT id FROM mutations WHERE finished_at IS NULL AND topology = ?1 LIMIT 1";

fn row(row: &mut Columns<'_>) -> Result<MutationRow, Fault> {
    Ok(MutationRow {
        id: MutationId::new(row.whole()?),
        topology: row.word()?,
        mutation: row.json()?,
        actor: row.value()?,
        state: row.word()?,
        version: Version::new(row.whole()?),
        attempts: row.whole()?,
        enqueued_at: row.word()?,
        begun_at: row.maybe_word()?,
        stored_at: row.maybe_word()?,
        finished_at: row.maybe_word()?,
        reason: row.value()?,
        claim: match row.maybe_word()? {
            Some(token) => Some(MutationClaim {
                token,
                holder: row.holder()?,
                until: row.word()?,
            }),
            None => None,
        },
    })
}

/// Finds a mutation.
pub(super) fn find(moment: &Transaction<'_>, id: MutationId) -> Result<MutationRow, Fault> {
    let mut statement = moment.prepare_cached(&format!("SELECT {COLUMNS} FROM mutations WHERE id = ?1"))?;
    // No number is greater: what cannot be a row's is no mutation's.
    let number = i64::try_from(id.get()).unwrap_or(-1);
    first(statement.query([number])?, row)?.ok_or_else(|| RepoError::MutationNotFound { id }.into())
}

/// Reads every mutation, and gives each, or what is wrong with it, with its number.
pub(super) fn each(
    moment: &Transaction<'_>,
    mut visit: impl FnMut(i64, Result<MutationRow, Fault>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut statement = moment.prepare_cached(&format!("SELECT {COLUMNS} FROM mutations ORDER BY id"))?;
    let mut rows = statement.query([])?;
    while let Some(found) = rows.next()? {
        visit(found.get(0)?, row(&mut Columns::of(found)))?;
    }
    Ok(())
}

/// Writes down a mutation, which gets its number by that.
pub(super) fn insert(tx: &Transaction<'_>, key: i64, mutation: MutationRow) -> Result<MutationRow, Fault> {
    let mut statement = tx.prepare_cached(
        "INSERT INTO mutations (topology, mutation, actor, state, version, attempts, enqueued_at, begun_at, stored_at,
                                finished_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    statement.execute(params![
        key,
        to_json(&mutation.mutation)?,
        mutation.actor,
        mutation.state.as_str(),
        mutation.version.get().cast_signed(),
        mutation.attempts,
        moment(mutation.enqueued_at),
        mutation.begun_at.map(moment),
        mutation.stored_at.map(moment),
        mutation.finished_at.map(moment),
    ])?;
    let id = MutationId::new(tx.last_insert_rowid().cast_unsigned());
    Ok(MutationRow { id, ..mutation })
}

/// Writes down what may change of a mutation by its holder.
fn update(tx: &Transaction<'_>, mutation: &MutationRow) -> Result<(), Fault> {
    let mut statement = tx.prepare_cached(
        "UPDATE mutations
         SET state = ?2, stored_at = ?3, finished_at = ?4, reason = ?5, claim_token = ?6, claim_until = ?7,
             claim_boot_id = ?8, claim_pid = ?9, claim_started = ?10, claim_label = ?11
         WHERE id = ?1",
    )?;
    let claim = mutation.claim.as_ref();
    let holder = claim.map(|claim| &claim.holder);
    statement.execute(params![
        mutation.id.get().cast_signed(),
        mutation.state.as_str(),
        mutation.stored_at.map(moment),
        mutation.finished_at.map(moment),
        mutation.reason,
        claim.map(|claim| claim.token.to_string()),
        claim.map(|claim| moment(claim.until)),
        holder.map(|holder| &holder.boot_id),
        holder.map(|holder| holder.pid),
        holder.map(|holder| holder.started.cast_signed()),
        holder.map(|holder| &holder.label),
    ])?;
    Ok(())
}

/// Appends a mutation to the queue.
pub(super) fn enqueue(
    tx: &Transaction<'_>,
    id: TopologyId,
    new: NewMutation,
    expected: Option<Version>,
    at: Timestamp,
) -> Result<MutationRow, Fault> {
    queue::refuse_unreadable(&new)?;
    let mut topology = topologies::find(tx, id)?;
    queue::enqueue(&mut topology.row, expected, at)?;
    topologies::update(tx, topology.key, &topology.row)?;
    insert(tx, topology.key, queue::enqueued(UNNUMBERED, &topology.row, new, at))
}

/// Stands for the number that the table will give.
pub(super) const UNNUMBERED: MutationId = MutationId::new(0);

/// Takes the oldest mutation that can be claimed, in one statement.
pub(super) fn claim(
    tx: &Transaction<'_>,
    topology: Option<TopologyId>,
    holder: &Holder,
    time: SignedDuration,
    superseding: Option<ClaimToken>,
    at: Timestamp,
) -> Result<Option<MutationRow>, Fault> {
    let key = topology.map(|id| topologies::key(tx, id)).transpose()?;
    let claim = queue::claim_of(holder, time, at);
    let (now, until, token) = (moment(at), moment(claim.until), claim.token.to_string());
    let (started, superseding) = (holder.started.cast_signed(), superseding.map(|token| token.to_string()));
    let mut values = params![
        now,
        token,
        until,
        holder.boot_id,
        holder.pid,
        started,
        holder.label,
        superseding
    ]
    .to_vec();
    values.extend(key.as_ref().map(|key| key as &dyn ToSql));
    let mut statement = tx.prepare_cached(&if key.is_some() { claim_of_one() } else { claim_any() })?;
    first(statement.query(&values[..])?, row)
}

/// Makes a claim last longer.
pub(super) fn renew(
    tx: &Transaction<'_>,
    id: MutationId,
    token: ClaimToken,
    time: SignedDuration,
    at: Timestamp,
) -> Result<MutationClaim, Fault> {
    let mut mutation = find(tx, id)?;
    let claim = queue::renew(&mut mutation, token, time, at)?;
    update(tx, &mutation)?;
    Ok(claim)
}

/// Gives a mutation back.
pub(super) fn release_claim(
    tx: &Transaction<'_>,
    id: MutationId,
    token: ClaimToken,
    at: Timestamp,
) -> Result<(), Fault> {
    let mut mutation = match find(tx, id) {
        Err(Fault::Refusal(RepoError::MutationNotFound { .. })) => return Ok(()),
        found => found?,
    };
    let topology = topologies::find(tx, mutation.topology)?.row;
    if queue::release_claim(&mut mutation, &topology, token, at) {
        update(tx, &mutation)?;
    }
    Ok(())
}

/// Stores the maze that a mutation makes.
pub(super) fn store(
    tx: &Transaction<'_>,
    id: MutationId,
    token: ClaimToken,
    topology: Topology,
    at: Timestamp,
) -> Result<StoredTopology, Fault> {
    let mut mutation = find(tx, id)?;
    let Keyed { key, mut row } = topologies::find(tx, mutation.topology)?;
    queue::store(&mut mutation, &mut row, token, at)?;
    maze::refuse(tx, Some(row.id), &topology)?;
    topologies::update(tx, key, &row)?;
    update(tx, &mutation)?;
    changes::replace(tx, key, &topology, Some(id), at)?;
    Ok(StoredTopology { row, topology })
}

/// Says what became of a mutation.
pub(super) fn finish(
    tx: &Transaction<'_>,
    id: MutationId,
    token: ClaimToken,
    outcome: Outcome,
    at: Timestamp,
) -> Result<MutationRow, Fault> {
    let mut mutation = find(tx, id)?;
    queue::finish(&mut mutation, token, outcome, at)?;
    update(tx, &mutation)?;
    Ok(mutation)
}

/// Finishes what waits of a topology that takes no mutations any more.
pub(super) fn dismiss(tx: &Transaction<'_>, key: i64, topology: &TopologyRow, at: Timestamp) -> Result<(), Fault> {
    let Some(dismissal) = Dismissal::of(topology) else {
        return Ok(());
    };
    let mut statement = tx.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM mutations WHERE finished_at IS NULL AND topology = ?1"
    ))?;
    let unfinished = collect(statement.query([key])?, row)?;
    for mut mutation in unfinished.into_iter().filter(|mutation| dismissal.concerns(mutation)) {
        dismissal.dismiss(&mut mutation, at);
        update(tx, &mutation)?;
    }
    Ok(())
}

/// Returns the mutations that match.
pub(super) fn list(moment: &Transaction<'_>, filter: &MutationFilter) -> Result<MutationPage, Fault> {
    let key = filter.topology.map(|id| topologies::key(moment, id)).transpose()?;
    let mut matching = "FROM mutations WHERE (?1 = '[]' OR state IN (SELECT value FROM json_each(?1)))".to_owned();
    // `topology IS ?2` and the like would keep SQLite from its indexes.
    matching += if key.is_some() {
        " AND topology = ?2"
    } else {
        " AND ?2 IS NULL"
    };
    let unfinished = !filter.states.is_empty() && !filter.states.iter().any(|state| state.is_final());
    if unfinished {
        matching += " AND finished_at IS NULL";
    }
    // The few that are unfinished are found by their index and put in order, not sought in the order of all.
    let order = if unfinished { "+id" } else { "id" };
    let states = to_json(&filter.states)?;
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let mut statement = moment.prepare_cached(&format!("SELECT count(*) {matching}"))?;
    let total: i64 = statement.query_row(params![states, key], |row| row.get(0))?;
    let mut statement = moment.prepare_cached(&format!(
        "SELECT {COLUMNS} {matching} ORDER BY {order} LIMIT ?3 OFFSET ?4"
    ))?;
    let limit = filter.limit.map_or(-1, count);
    let rows = statement.query(params![states, key, limit, count(filter.offset)])?;
    Ok(MutationPage {
        rows: collect(rows, row)?,
        total: usize::try_from(total).unwrap_or(usize::MAX),
    })
}

/// Returns whether a topology has a mutation that is not finished.
pub(super) fn has_unfinished(moment: &Transaction<'_>, id: TopologyId) -> Result<bool, Fault> {
    let key = topologies::key(moment, id)?;
    let mut statement = moment.prepare_cached(PENDING)?;
    Ok(statement.exists([key])?)
}
