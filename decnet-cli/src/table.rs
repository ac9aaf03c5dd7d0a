//! Tables for people.

use std::io::IsTerminal;

use comfy_table::{ContentArrangement, Table, presets};
use decnet_engine::{Bridge, DeckyState};
use decnet_topology::{Lan, PlacementNames, Topology};

use crate::text::one_line;

/// The smallest width of a terminal at which tables are wrapped.
const MIN_WIDTH: u16 = 60;

/// A space at which no line is broken: the LAN, the address and the interface stay together.
const GLUE: &str = "\u{a0}";

/// Prints rows in aligned columns without a frame, which is readable and works with cut(1). Each cell is printed in one line.
pub(crate) fn rows<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let arrangement = if width().is_some() {
        ContentArrangement::Dynamic
    } else {
        ContentArrangement::Disabled
    };
    table.set_content_arrangement(arrangement);
    table.set_header(header);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    for cells in rows {
        table.add_row(cells.map(|cell| one_line(&cell).into_owned()));
    }
    // Trailing spaces are removed.
    let mut text = String::new();
    for line in table.lines() {
        text += &one_line(&line.trim_end().replace(GLUE, " "));
        text.push('\n');
    }
    text
}

/// Returns addresses between which, but not in which, lines are broken.
fn glued(addresses: &str) -> String {
    addresses.replace(' ', GLUE).replace(&format!(",{GLUE}"), ", ")
}

/// Returns the number of columns to wrap lines at. Only a terminal with a known, sensible width is wrapped. Others get each row on one
/// line.
pub(crate) fn width() -> Option<usize> {
    let width = Table::new().width().filter(|width| *width >= MIN_WIDTH)?;
    std::io::stdout().is_terminal().then_some(width.into())
}

/// Prints the deckies of a topology, with their addresses as `addresses` formats them. Without Docker, their states are unknown.
///
/// With a placement, each has its host.
pub(crate) fn deckies(
    deckies: &[DeckyState],
    observed: bool,
    addresses: fn(&DeckyState) -> String,
    placement: Option<&PlacementNames<'_>>,
) -> String {
    let cells = |decky: &DeckyState| {
        let services = decky.services.iter().map(|state| &state.service);
        [
            decky.decky.to_string(),
            decky.role().into(),
            or_dash(glued(&addresses(decky))),
            or_dash(words(services)),
            if observed { decky.state_text() } else { "?".into() },
        ]
    };
    let Some(placement) = placement else {
        return rows(
            ["DECKY", "ROLE", "ADDRESSES", "SERVICES", "STATE"],
            deckies.iter().map(cells),
        );
    };
    let placed = |decky: &DeckyState| {
        let [name, role, addresses, services, state] = cells(decky);
        let host = placement.deckies.get(&decky.decky);
        [
            name,
            role,
            or_dash(host.map(ToString::to_string).unwrap_or_default()),
            addresses,
            services,
            state,
        ]
    };
    rows(
        ["DECKY", "ROLE", "HOST", "ADDRESSES", "SERVICES", "STATE"],
        deckies.iter().map(placed),
    )
}

/// Prints the LANs of a placed topology: their hosts, and the hosts and the VNI of those that are stretched over several.
pub(crate) fn lans(topology: &Topology, placement: &PlacementNames<'_>) -> String {
    let cells = |lan: &Lan| {
        let host = placement.lans.get(lan.name());
        let stretched = placement.stretched.get(lan.name());
        [
            lan.name().to_string(),
            lan.subnet().to_string(),
            or_dash(host.map(ToString::to_string).unwrap_or_default()),
            or_dash(stretched.map(|stretched| words(&stretched.members)).unwrap_or_default()),
            or_dash(stretched.map(|stretched| stretched.vni.to_string()).unwrap_or_default()),
        ]
    };
    rows(
        ["LAN", "SUBNET", "HOST", "STRETCHED OVER", "VNI"],
        topology.lans().iter().map(cells),
    )
}

/// Prints the bridges of the LANs. Those of a placed topology have their hosts; another table has the subnets.
pub(crate) fn bridges(bridges: &[Bridge], is_placed: bool) -> String {
    let cells = |bridge: &Bridge| {
        let place = if is_placed {
            or_dash(bridge.host.clone().unwrap_or_default())
        } else {
            bridge.subnet.to_string()
        };
        [bridge.lan.clone(), place, bridge.name.clone()]
    };
    let place = if is_placed { "HOST" } else { "SUBNET" };
    rows(["LAN", place, "BRIDGE"], bridges.iter().map(cells))
}

/// Lists words with spaces between them.
pub(crate) fn words(words: impl IntoIterator<Item: ToString>) -> String {
    let words: Vec<_> = words.into_iter().map(|word| word.to_string()).collect();
    words.join(" ")
}

/// Returns the text, or a dash if it is empty.
pub(crate) fn or_dash(text: String) -> String {
    if text.is_empty() { "-".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_stays_with_its_lan_and_interface() {
        let glued = glued("dmz 10.0.0.2 eth0, office 10.0.1.2 eth1");
        assert_eq!(glued.split(' ').collect::<Vec<_>>().len(), 2);
        let printed = rows(["ADDRESSES"], [[glued]]);
        assert_eq!(printed, "ADDRESSES\ndmz 10.0.0.2 eth0, office 10.0.1.2 eth1\n");
    }
}
