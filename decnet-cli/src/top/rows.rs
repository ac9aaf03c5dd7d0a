//! The rows of the panes: what the engine reports, as text.

use decnet_engine::{DeckyState, Envelope, HistoryEntry, InterfaceState, LogFormat, LogItem, ServiceState};
use decnet_topology::{MutationRow, MutationState, Status, TopologyId, TopologyRow};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    table::{or_dash, words},
    text,
};

/// How good a state is. It is shown as a colour, next to the text of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// Neither good nor bad.
    Plain,
    /// It matches the maze.
    Good,
    /// It changes, or somebody should look at it.
    Busy,
    /// It differs from the maze.
    Bad,
    /// Unknown, or not there on purpose.
    Dim,
}

/// One row of a pane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// What identifies the row when a pane gets new rows. The board numbers the rows of logs.
    pub(super) key: String,
    /// The text of each column.
    pub(super) cells: Vec<String>,
    /// How good its state is.
    pub(super) tone: Tone,
    /// The decky that it is about.
    pub(super) decky: Option<String>,
    /// The maze that it opens.
    pub(super) opens: Option<TopologyId>,
    /// What is shown when it is opened.
    pub(super) details: Vec<String>,
}

impl Row {
    fn new(key: &str, cells: Vec<String>, tone: Tone) -> Self {
        Self {
            key: key.into(),
            cells,
            tone,
            decky: None,
            opens: None,
            details: Vec::new(),
        }
    }
}

/// Describes a maze and its queue.
pub(super) fn maze(row: &TopologyRow, waiting: usize) -> Row {
    let cells = vec![
        row.name.to_string(),
        status_text(row),
        waiting.to_string(),
        row.version.to_string(),
        text::time(row.changed_at),
    ];
    Row {
        opens: Some(row.id),
        ..Row::new(&row.id.to_string(), cells, status_tone(row.status))
    }
}

/// Returns the status of a maze, and whether Docker may differ.
pub(super) fn status_text(row: &TopologyRow) -> String {
    let resync = if row.needs_resync { " (needs reconcile)" } else { "" };
    format!("{}{resync}", row.status)
}

fn status_tone(status: Status) -> Tone {
    match status {
        Status::Active => Tone::Good,
        Status::Degraded | Status::Failed => Tone::Bad,
        Status::Deploying | Status::TearingDown => Tone::Busy,
        _ => Tone::Dim,
    }
}

/// Describes a decky. Its state is unknown if it was not observed.
pub(super) fn decky(state: &DeckyState, status: Status, observed: bool) -> Row {
    let services = state.services.iter().map(|service| &service.service);
    let shown = if observed { state.state_text() } else { "?".into() };
    let is_up = matches!(status, Status::Active | Status::Degraded);
    let tone = match shown.as_str() {
        "?" => Tone::Dim,
        "running" => Tone::Good,
        "absent" if !is_up => Tone::Dim,
        text if text.starts_with("running") => Tone::Busy,
        _ => Tone::Bad,
    };
    let cells = vec![
        state.decky.to_string(),
        shown.clone(),
        or_dash(words(services)),
        state.role().into(),
        or_dash(state.address_text()),
    ];
    let mut details = vec![
        format!("decky     {}", state.decky),
        format!("role      {}", state.role()),
        format!("state     {shown}"),
    ];
    if observed && state.base.is_some() {
        details.extend(
            state
                .interfaces
                .iter()
                .map(|interface| format!("address   {}", interface_text(interface))),
        );
    } else {
        let addresses = state.addresses.iter();
        details.extend(addresses.map(|(lan, ip)| format!("address   {lan} {ip}")));
    }
    details.extend(state.services.iter().map(|service| service_text(service, observed)));
    Row {
        decky: Some(state.decky.to_string()),
        details,
        ..Row::new(state.decky.as_str(), cells, tone)
    }
}

fn interface_text(interface: &InterfaceState) -> String {
    let InterfaceState {
        network,
        expected,
        found,
        name,
    } = interface;
    let name = name.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
    match (expected, found) {
        (Some(expected), Some(found)) if expected != found => format!("{network} {found}{name}, expected {expected}"),
        (None, Some(found)) => format!("{network} {found}{name}, not part of the maze"),
        (Some(expected), None) => format!("{network} lost, expected {expected}"),
        (_, Some(found)) => format!("{network} {found}{name}"),
        (None, None) => network.clone(),
    }
}

fn service_text(service: &ServiceState, observed: bool) -> String {
    let name = &service.service;
    if !observed {
        return format!("service   {name}  ?");
    }
    let restarts = match service.restarts {
        0 => String::new(),
        restarts => format!(", restarted {}", text::count(restarts, "time", "times")),
    };
    format!("service   {name}  {}{restarts}", service.state_text())
}

/// Describes a mutation. A view of all mazes names its maze.
pub(super) fn mutation(row: &MutationRow, maze: Option<&str>) -> Row {
    let tone = match row.state {
        MutationState::Applied => Tone::Good,
        MutationState::Rejected | MutationState::Failed => Tone::Bad,
        _ => Tone::Busy,
    };
    let mut cells = vec![
        row.id.to_string(),
        row.state.to_string(),
        format!("{} {}", row.mutation.op(), row.mutation.subject()),
        short_time(row.enqueued_at),
        row.actor.clone().unwrap_or_else(|| "-".into()),
        row.reason.clone().unwrap_or_default(),
    ];
    if let Some(maze) = maze {
        cells.insert(1, maze.into());
    }
    Row {
        decky: Some(row.mutation.subject().to_string()),
        details: json_lines(row),
        ..Row::new(&row.id.to_string(), cells, tone)
    }
}

/// Describes an event; none for one that only `decnet events -v` prints. A view of all mazes names its maze.
pub(super) fn event(envelope: &Envelope, maze: Option<&str>) -> Option<Row> {
    let what = envelope.event.describe(false)?;
    let mut cells = vec![short_time(envelope.at), what];
    if let Some(maze) = maze {
        cells.insert(1, maze.into());
    }
    Some(Row {
        details: json_lines(envelope),
        ..Row::new("", cells, Tone::Plain)
    })
}

/// Describes a change before the view began.
pub(super) fn past(entry: &HistoryEntry) -> Row {
    let reason = entry.reason.as_deref().map(|reason| format!(" ({reason})"));
    let what = format!("{}{}", entry.what, reason.unwrap_or_default());
    let details = vec![
        format!("time    {}", text::time(entry.at)),
        format!("change  {}", entry.what),
        format!("by      {}", entry.actor.as_deref().unwrap_or("-")),
        format!("reason  {}", entry.reason.as_deref().unwrap_or("-")),
    ];
    Row {
        details,
        ..Row::new("", vec![short_time(entry.at), what], Tone::Plain)
    }
}

/// Describes a remark about the view itself.
pub(super) fn remark(at: Timestamp, what: String, is_of_all: bool) -> Row {
    let mut cells = vec![short_time(at), what.clone()];
    if is_of_all {
        cells.insert(1, "-".into());
    }
    Row {
        details: vec![what],
        ..Row::new("", cells, Tone::Busy)
    }
}

/// Describes what a visitor did, or why a log is not complete. A view of all mazes names the maze.
pub(super) fn visit(item: &LogItem, now: Timestamp, is_of_all: bool) -> Row {
    let line = LogFormat::Text.line(item);
    let LogItem::Entry(entry) = item else {
        return Row {
            details: json_lines(item),
            ..Row::new("", vec![short_time(now), "-".into(), line], Tone::Busy)
        };
    };
    let mut place = entry.decky.to_string();
    if let Some(service) = &entry.service {
        place = format!("{place}/{service}");
    }
    if let Some(maze) = entry.maze.as_ref().filter(|_| is_of_all) {
        place = format!("{maze}/{place}");
    }
    // A line has the time, the place and the rest, with two spaces between them.
    let rest = line.splitn(3, "  ").last().unwrap_or_default().to_owned();
    Row {
        decky: Some(entry.decky.to_string()),
        details: json_lines(entry),
        ..Row::new("", vec![short_time(entry.at), place, rest], Tone::Plain)
    }
}

/// Formats a time in a short form, in UTC.
fn short_time(at: Timestamp) -> String {
    at.strftime("%m-%d %H:%M:%S").to_string()
}

fn json_lines(value: &impl Serialize) -> Vec<String> {
    // What has no JSON has no details.
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.lines().map(ToOwned::to_owned).collect()
}
