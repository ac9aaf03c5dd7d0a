//! The past of mazes, from the audit trail of the store.

use decnet_engine::{DeckyMoment, HistoryEntry, Timeline};
use decnet_topology::{Lan, Name, Repo, Status, StoredTopology, TopologyId};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use crate::{command_error::CommandError, context::Context, table, text};

/// How many changes of the history to print.
const SHOWN: usize = 10;

/// Prints the deckies of a topology at a time.
pub(crate) async fn show(
    context: &Context,
    repo: &dyn Repo,
    stored: &StoredTopology,
    at: Timestamp,
) -> Result<(), CommandError> {
    let StoredTopology { row, topology } = stored;
    let timeline = Timeline::load(repo, stored).await?;
    let Some(status) = timeline.status_at(at) else {
        return Err(CommandError::TooEarly {
            name: row.name.to_string(),
            at,
            created: row.created_at,
        });
    };
    let deckies: Vec<(&Name, &DeckyMoment)> = timeline.at(at).collect();
    let output = context.output;
    if output.json {
        let deckies: Vec<_> = deckies
            .into_iter()
            .map(|(decky, moment)| DeckyAt { decky, moment })
            .collect();
        return output.json(&json!({
            "id": row.id,
            "name": row.name,
            "at": at,
            "status": status,
            "deckies": deckies,
        }));
    }
    output.line(format!("{}  {status} at {}", row.name, text::time(at)))?;
    if at > Timestamp::now() {
        output.note(format!("{} is in the future: this is the maze now", text::time(at)));
    }
    if let Some(first) = first_deploy(repo, row.id).await?.filter(|first| at < *first) {
        output.note(format!("`{}` was first deployed at {}", row.name, text::time(first)));
    }
    if deckies.is_empty() {
        return Ok(());
    }
    output.data("\n")?;
    let dmz = topology.dmz().map(Lan::name);
    let cells = |(name, moment): (&Name, &DeckyMoment)| {
        let by = moment.mutation.map(|id| format!("{} {id}", moment.trigger));
        [
            name.to_string(),
            moment.role(dmz).into(),
            table::or_dash(moment.address_text()),
            table::or_dash(table::words(&moment.services)),
            text::time(moment.since),
            by.unwrap_or_else(|| moment.trigger.to_string()),
        ]
    };
    output.data(&table::rows(
        ["DECKY", "ROLE", "ADDRESSES", "SERVICES", "SINCE", "BY"],
        deckies.into_iter().map(cells),
    ))
}

/// Returns the time when a topology was first deployed, if it ever was.
async fn first_deploy(repo: &dyn Repo, id: TopologyId) -> Result<Option<Timestamp>, CommandError> {
    let events = repo.status_events(id).await?;
    let deploys = events.iter().filter(|event| event.to == Status::Deploying);
    Ok(deploys.map(|event| event.at).min())
}

/// A decky at a time, as JSON.
#[derive(Serialize)]
struct DeckyAt<'a> {
    decky: &'a Name,
    #[serde(flatten)]
    moment: &'a DeckyMoment,
}

/// Prints the last changes of a topology.
pub(crate) fn show_history(context: &Context, entries: Vec<HistoryEntry>) -> Result<(), CommandError> {
    let skipped = entries.len().saturating_sub(SHOWN);
    let rows = entries.into_iter().skip(skipped).map(|entry| {
        [
            text::time(entry.at),
            entry.what,
            entry.actor.unwrap_or_default(),
            entry.reason.unwrap_or_default(),
        ]
    });
    context.output.data("\n")?;
    context
        .output
        .data(&table::rows(["TIME", "HISTORY", "BY", "REASON"], rows))?;
    if skipped > 0 {
        context
            .output
            .note("earlier changes are not shown; `decnet mutations` lists all queued mutations");
    }
    Ok(())
}
