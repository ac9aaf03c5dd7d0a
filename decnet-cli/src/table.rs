//! Tables for people.

use std::io::IsTerminal;

use comfy_table::{ContentArrangement, Table, presets};
use decnet_engine::{
    engine::{DeckyState, ServiceState},
    observe::Activity,
};

use crate::text::one_line;

/// The narrowest terminal that tables are wrapped for.
const NARROWEST: u16 = 60;

/// Starts a table: columns in line, no frame, so that it reads well and cuts well.
pub(crate) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    // Only a terminal has an edge to wrap at, and one that says it has none, or hardly any, is not wrapped either. A program
    // gets each row on one line.
    let is_wide = table.width().is_some_and(|width| width >= NARROWEST);
    let arrangement = if std::io::stdout().is_terminal() && is_wide {
        ContentArrangement::Dynamic
    } else {
        ContentArrangement::Disabled
    };
    table.set_content_arrangement(arrangement);
    table.set_header(header);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}

/// Prints a table, without blanks at the ends of its lines.
pub(crate) fn lines(table: &Table) -> String {
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(&one_line(line.trim_end()));
        text.push('\n');
    }
    text
}

/// Prints the deckies of a topology; without Docker it is not known what they do.
pub(crate) fn deckies(deckies: &[DeckyState], observed: bool) -> String {
    let mut table = table(["DECKY", "ROLE", "ADDRESSES", "SERVICES", "STATE"]);
    for decky in deckies {
        let addresses: Vec<_> = decky.addresses.iter().map(|(lan, ip)| format!("{lan} {ip}")).collect();
        let services: Vec<_> = decky.services.iter().map(|state| state.service.to_string()).collect();
        table.add_row([
            decky.decky.to_string(),
            role(decky).into(),
            or_dash(addresses.join(", ")),
            or_dash(services.join(" ")),
            if observed { state(decky) } else { "?".into() },
        ]);
    }
    lines(&table)
}

/// Returns the text, or a dash for none.
pub(crate) fn or_dash(text: String) -> String {
    if text.is_empty() { "-".into() } else { text }
}

fn role(decky: &DeckyState) -> &'static str {
    match (decky.gateway, decky.router, decky.addresses.len()) {
        (true, ..) => "gateway",
        (_, true, _) => "router",
        (_, _, 2..) => "bridge",
        _ => "host",
    }
}

/// Says how a decky fares in a few words: what its base does, and which services do not run.
pub(crate) fn state(decky: &DeckyState) -> String {
    let Some(base) = decky.base else { return "absent".into() };
    let down: Vec<_> = decky
        .services
        .iter()
        .filter(|state| state.activity != Some(Activity::Running))
        .collect();
    if base != Activity::Running {
        return activity(base).into();
    }
    if down.is_empty() {
        return "running".into();
    }
    let word = |state: &&ServiceState| format!("{} {}", state.service, state.activity.map_or("absent", activity));
    let down: Vec<_> = down.iter().map(word).collect();
    format!("running, but {}", down.join(", "))
}

fn activity(activity: Activity) -> &'static str {
    match activity {
        Activity::Running => "running",
        Activity::Restarting => "restarting",
        Activity::Created => "never started",
        Activity::Paused => "paused",
        _ => "exited",
    }
}
