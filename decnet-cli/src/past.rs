//! The past of mazes, from the audit trail of the store.

use decnet_engine::{DeckyMoment, Timeline};
use decnet_topology::{Lan, MutationRow, Name, Repo, StatusEvent, StoredTopology};
use jiff::{Span, Timestamp, Zoned, civil};
use serde::Serialize;
use serde_json::json;

use crate::{command_error::CommandError, context::Context, table};

/// How many changes of the history to print.
const SHOWN: usize = 10;

/// Reads a time: RFC 3339, a local date and time, or a time ago such as `-2h` or `3 days ago`.
pub(crate) fn read_time(text: &str) -> Result<Timestamp, String> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("now") {
        return Ok(Timestamp::now());
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let wrong = |error: jiff::Error| format!("invalid time `{text}`: {error}");
    if let Ok(at) = text.parse::<civil::DateTime>() {
        return at
            .in_tz("local")
            .or_else(|_| at.in_tz("UTC"))
            .map(|at| at.timestamp())
            .map_err(wrong);
    }
    let span: Span = text.parse().map_err(|_| {
        format!("invalid time `{text}`; try 2030-01-31T12:00:00Z, 2030-01-31 12:00, -2h or \"3 days ago\"")
    })?;
    if span.is_positive() {
        return Err(format!("`{text}` is in the future; write -{text} for the past"));
    }
    Ok(Zoned::now().checked_add(span).map_err(wrong)?.timestamp())
}

/// Prints the deckies of a topology at a time.
pub(crate) async fn show(
    context: &Context,
    repo: &dyn Repo,
    stored: &StoredTopology,
    at: Timestamp,
) -> Result<(), CommandError> {
    let StoredTopology { row, topology } = stored;
    let statuses = repo.status_events(row.id).await?;
    let changes = repo.decky_changes(row.id, None).await?;
    let timeline = Timeline::from_trail(topology, &changes, &statuses);
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
            .map(|(decky, moment)| Then { decky, moment })
            .collect();
        return output.json(&json!({
            "id": row.id,
            "name": row.name,
            "at": at,
            "status": status,
            "deckies": deckies,
        }));
    }
    output.line(format!("{}  {}  {status} at {}", row.name, row.id, moment_of(at)))?;
    if deckies.is_empty() {
        return Ok(());
    }
    output.data("\n")?;
    let dmz = topology.dmz().map(Lan::name);
    let mut table = table::table(["DECKY", "ROLE", "ADDRESSES", "SERVICES", "SINCE", "BY"]);
    for (name, moment) in deckies {
        let (role, addresses) = match &moment.state {
            None => ("?", String::new()),
            Some(state) => {
                let addresses: Vec<_> = state
                    .attachments
                    .iter()
                    .map(|edge| format!("{} {}", edge.lan, edge.ip))
                    .collect();
                let is_gateway = state.forwards_l3 && state.attachments.first().map(|edge| &edge.lan) == dmz;
                let role = match (is_gateway, state.forwards_l3, state.attachments.len()) {
                    (true, ..) => "gateway",
                    (_, true, _) => "router",
                    (_, _, 2..) => "bridge",
                    _ => "host",
                };
                (role, addresses.join(", "))
            }
        };
        let services: Vec<_> = moment.services.iter().map(ToString::to_string).collect();
        let by = moment
            .mutation
            .map_or_else(|| moment.trigger.to_string(), |id| format!("{} {id}", moment.trigger));
        table::row(
            &mut table,
            [
                name.to_string(),
                role.into(),
                table::or_dash(addresses),
                table::or_dash(services.join(" ")),
                moment_of(moment.since),
                by,
            ],
        );
    }
    output.data(&table::lines(&table))
}

/// A decky at a time, as JSON.
#[derive(Serialize)]
struct Then<'a> {
    decky: &'a Name,
    #[serde(flatten)]
    moment: &'a DeckyMoment,
}

/// Prints the last changes of a topology.
pub(crate) fn history(
    context: &Context,
    events: &[StatusEvent],
    mutations: &[MutationRow],
) -> Result<(), CommandError> {
    let mut lines: Vec<(Timestamp, [String; 3])> = Vec::new();
    for event in events {
        let what = match event.from {
            Some(from) => format!("{from} -> {}", event.to),
            None => "stored".into(),
        };
        lines.push((
            event.at,
            [what, String::new(), event.reason.clone().unwrap_or_default()],
        ));
    }
    for row in mutations {
        let what = format!("mutation {} {}: {}", row.id, row.mutation.op(), row.state);
        let (actor, reason) = (
            row.actor.clone().unwrap_or_default(),
            row.reason.clone().unwrap_or_default(),
        );
        lines.push((row.finished_at.unwrap_or(row.enqueued_at), [what, actor, reason]));
    }
    lines.sort_by_key(|(at, _)| *at);
    let left_out = lines.len().saturating_sub(SHOWN);
    let mut table = table::table(["TIME", "HISTORY", "BY", "REASON"]);
    for (at, [what, actor, reason]) in lines.into_iter().skip(left_out) {
        table::row(&mut table, [moment_of(at), what, actor, reason]);
    }
    context.output.data("\n")?;
    context.output.data(&table::lines(&table))?;
    if left_out > 0 {
        context
            .output
            .note("earlier changes are not shown; `decnet mutations` lists all that were queued");
    }
    Ok(())
}

fn moment_of(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn usual_forms_of_times_are_parsed() {
        let exact = read_time("2030-01-31T12:00:00+02:00").expect("a time");
        assert_eq!(exact.to_string(), "2030-01-31T10:00:00Z");
        assert!(read_time("2030-01-31").is_ok() && read_time("2030-01-31 12:00").is_ok());
        for (text, seconds) in [
            ("-2h", 7200),
            ("90m ago", 5400),
            ("-1 day", 86_400),
            ("2 hours ago", 7200),
            ("now", 0),
        ] {
            let ago = Timestamp::now().duration_since(read_time(text).expect(text));
            // A day may have an hour more or less.
            let difference = (ago - SignedDuration::from_secs(seconds)).abs();
            assert!(difference < SignedDuration::from_mins(61), "{text}: {ago}");
        }
    }

    #[test]
    fn an_invalid_or_future_time_is_refused() {
        for text in ["", "soon", "2h", "in 2 hours", "2030-13-01", "-"] {
            assert!(read_time(text).is_err(), "{text}");
        }
    }
}
