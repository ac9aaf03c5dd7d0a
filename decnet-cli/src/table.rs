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

/// Adds a row. A cell is one line, whatever it holds: a line feed would start another row.
pub(crate) fn row<const N: usize>(table: &mut Table, cells: [String; N]) {
    table.add_row(cells.map(|cell| one_line(&cell).into_owned()));
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
        let services: Vec<_> = decky.services.iter().map(|state| state.service.to_string()).collect();
        row(
            &mut table,
            [
                decky.decky.to_string(),
                role(decky).into(),
                or_dash(addresses(decky)),
                or_dash(services.join(" ")),
                if observed { state(decky) } else { "?".into() },
            ],
        );
    }
    lines(&table)
}

/// Lists the addresses that a decky has; of one without a base, those that the maze has.
fn addresses(decky: &DeckyState) -> String {
    if decky.base.is_none() {
        let meant = decky.addresses.iter().map(|(lan, ip)| format!("{lan} {ip}"));
        return meant.collect::<Vec<_>>().join(", ");
    }
    let found = decky.interfaces.iter().map(|interface| {
        let network = &interface.network;
        match (interface.expected, interface.found) {
            (Some(expected), Some(found)) if expected == found => format!("{network} {found}"),
            (Some(expected), Some(found)) => format!("{network} {found} (not {expected})"),
            (Some(expected), None) => format!("{network} lost (was {expected})"),
            (None, Some(found)) => format!("{network} {found} (foreign)"),
            (None, None) => network.clone(),
        }
    });
    found.collect::<Vec<_>>().join(", ")
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
        .filter(|state| state.crash_loop || state.activity != Some(Activity::Running))
        .collect();
    if base != Activity::Running || decky.base_crash_loop {
        return condition(Some(base), decky.base_crash_loop, decky.base_exit_code);
    }
    if down.is_empty() {
        return "running".into();
    }
    let word = |state: &&ServiceState| {
        let condition = condition(state.activity, state.crash_loop, state.exit_code);
        format!("{} {condition}", state.service)
    };
    let down: Vec<_> = down.iter().map(word).collect();
    format!("running, but {}", down.join(", "))
}

fn condition(activity: Option<Activity>, crash_loop: bool, exit_code: Option<i64>) -> String {
    let word = match activity {
        None => "absent",
        Some(_) if crash_loop => "in a crash loop",
        Some(Activity::Running) => "running",
        Some(Activity::Restarting) => "restarting",
        Some(Activity::Created) => "never started",
        Some(Activity::Paused) => "paused",
        Some(_) => "exited",
    };
    match exit_code {
        Some(code) if code != 0 => format!("{word} (code {code})"),
        _ => word.into(),
    }
}

#[cfg(test)]
mod tests {
    use decnet_engine::engine::InterfaceState;

    use super::*;

    fn decky(interfaces: &[(&str, Option<u8>, Option<u8>)], services: Vec<ServiceState>) -> DeckyState {
        let ip = |last| [10, 0, 0, last].into();
        DeckyState {
            decky: "web".parse().expect("a name"),
            addresses: vec![("dmz".parse().expect("a name"), ip(2))],
            interfaces: interfaces
                .iter()
                .map(|(network, expected, found)| InterfaceState {
                    network: (*network).into(),
                    expected: expected.map(ip),
                    found: found.map(ip),
                })
                .collect(),
            router: false,
            gateway: false,
            base: Some(Activity::Running),
            base_crash_loop: false,
            base_exit_code: None,
            services,
        }
    }

    #[test]
    fn addresses_are_those_that_were_found_with_what_differs() {
        let strange = decky(
            &[
                ("dmz", Some(2), None),
                ("office", Some(3), Some(9)),
                ("bridge", None, Some(7)),
            ],
            Vec::new(),
        );
        assert_eq!(
            addresses(&strange),
            "dmz lost (was 10.0.0.2), office 10.0.0.9 (not 10.0.0.3), bridge 10.0.0.7 (foreign)"
        );
        let absent = DeckyState { base: None, ..strange };
        assert_eq!(
            (addresses(&absent), state(&absent)),
            ("dmz 10.0.0.2".into(), "absent".into())
        );
    }

    #[test]
    fn a_crash_loop_is_told_though_the_service_runs_at_the_moment() {
        let looping = ServiceState {
            service: "ssh".into(),
            activity: Some(Activity::Running),
            restarts: 9,
            crash_loop: true,
            exit_code: None,
        };
        let ended = ServiceState {
            service: "http".into(),
            activity: Some(Activity::Exited),
            restarts: 0,
            crash_loop: false,
            exit_code: Some(2),
        };
        assert_eq!(
            state(&decky(&[], vec![looping, ended])),
            "running, but ssh in a crash loop, http exited (code 2)"
        );
    }
}
