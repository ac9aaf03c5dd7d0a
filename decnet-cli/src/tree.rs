//! A maze as a tree of LANs and deckies, with what the deckies do now.

use std::{collections::BTreeMap, fmt::Write as _};

use decnet_engine::{DeckyState, Inspection};
use decnet_topology::{Decky, Graph, GraphNode, TreeRow};

use crate::{
    columns::{characters, cut_end, cut_start, wrap},
    table::{or_dash, words},
    text::one_line,
};

/// The least width of a column that is wrapped.
const MIN_COLUMN: usize = 12;

/// The space between columns.
const GAP: usize = 2;

/// One line of the tree, before it is wrapped.
struct Line {
    row: TreeRow,
    /// None for a LAN.
    decky: Option<[String; 3]>,
}

/// Draws the tree. With a width, long lists are wrapped, and branches and names that are too long are cut. If the deckies were not observed, their
/// states are unknown.
pub(crate) fn text(inspection: &Inspection, observed: bool, width: Option<usize>) -> String {
    let topology = &inspection.stored.topology;
    let states = inspection.deckies.iter().map(|state| (&state.decky, state));
    let states: BTreeMap<_, &DeckyState> = states.collect();
    let cells = |decky: &Decky| {
        let state = states.get(decky.name())?;
        let services = state.services.iter().map(|service| &service.service);
        Some([
            state.role().into(),
            if observed { state.state_text() } else { "?".into() },
            or_dash(words(services)),
        ])
    };
    let graph = Graph::new(topology).placed(inspection.stored.row.placement.as_ref());
    let rows = graph.tree().into_iter().map(|mut row| {
        let decky = match row.node {
            GraphNode::Decky(id) => topology.decky(id).and_then(cells),
            _ => None,
        };
        if let Some(width) = width {
            row.branches = cut_start(&row.branches, width / 3);
            row.continued = cut_start(&row.continued, width / 3);
        }
        Line { row, decky }
    });
    draw(&rows.collect::<Vec<_>>(), width)
}

fn draw(lines: &[Line], width: Option<usize>) -> String {
    let whole = width.unwrap_or(usize::MAX);
    let left = |line: &Line| characters(&line.row.branches) + characters(&line.row.label);
    let deckies = || lines.iter().filter(|line| line.decky.is_some());
    let first = deckies().map(left).max().unwrap_or_default().max("MAZE".len());
    let first = if width.is_some() { first.min(whole / 2) } else { first };
    let longest = |at: usize, header: &str| {
        let cells = deckies().filter_map(|line| line.decky.as_ref());
        let cells = cells.map(|cells| characters(&cells[at]));
        cells.max().unwrap_or_default().max(header.len())
    };
    let role = longest(0, "ROLE");
    let rest = whole.saturating_sub(first + role + 3 * GAP).max(2 * MIN_COLUMN);
    let services = longest(2, "SERVICES");
    let state = longest(1, "STATE").min(rest - services.min(rest / 2));
    let services = services.min(rest - state);

    let mut text = format!("{:first$}  {:role$}  {:state$}  SERVICES\n", "MAZE", "ROLE", "STATE");
    for Line { row, decky } in lines {
        let Some([role_text, state_text, services_text]) = decky else {
            let lan = cut_end(&format!("{}{}", row.branches, row.label), whole);
            let _ = writeln!(text, "{}", one_line(&lan));
            continue;
        };
        let name = cut_end(&format!("{}{}", row.branches, row.label), first);
        let states = wrap(state_text, state);
        let services = wrap(services_text, services);
        for at in 0..states.len().max(services.len()) {
            let (name, role_text) = if at == 0 {
                (name.as_str(), role_text.as_str())
            } else {
                (row.continued.as_str(), "")
            };
            let part = |parts: &[String]| parts.get(at).cloned().unwrap_or_default();
            let (state_part, services) = (part(&states), part(&services));
            let line = format!("{name:first$}  {role_text:role$}  {state_part:state$}  {services}");
            let _ = writeln!(text, "{}", one_line(line.trim_end()));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use decnet_topology::Topology;

    use super::*;
    use crate::samples::{corp, inspected};

    #[test]
    fn a_tree_has_states_and_fits_into_a_terminal() {
        insta::assert_snapshot!(text(&corp(), true, Some(80)));
    }

    #[test]
    fn a_tree_for_a_program_has_one_line_for_each_decky() {
        insta::assert_snapshot!(text(&corp(), true, None));
    }

    #[test]
    fn without_docker_the_states_are_unknown() {
        let text = text(&corp(), false, Some(80));
        assert!(text.contains('?') && !text.contains("running"), "{text}");
    }

    #[test]
    fn a_deep_maze_with_long_names_fits_into_a_terminal() {
        let mut builder = Topology::builder().dmz("lan-0", "10.0.0.0/24");
        for depth in 1..40_u8 {
            let (lan, above) = (format!("lan-{depth}"), format!("lan-{}", depth - 1));
            let name = format!("door-{depth}-{}", "x".repeat(40));
            builder = builder.lan(&lan, &format!("10.0.{depth}.0/24")).decky(&name, |decky| {
                decky
                    .on(&above, &format!("10.0.{}.3", depth - 1))
                    .on(&lan, &format!("10.0.{depth}.2"))
            });
        }
        let deep = text(&inspected(builder.build().expect("a maze")), true, Some(80));
        assert!(deep.lines().all(|line| characters(line) <= 80), "{deep}");
        assert!(deep.contains("lan-39 10.0.39.0/24"), "{deep}");
    }
}
