//! Tables for people.

use std::io::IsTerminal;

use comfy_table::{ContentArrangement, Table, presets};
use decnet_engine::DeckyState;

use crate::text::one_line;

/// The narrowest terminal for which tables are wrapped.
const NARROWEST: u16 = 60;

/// Creates a table with aligned columns and no frame, which is readable and works with cut(1).
pub(crate) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    // Only a terminal with a known, sensible width is wrapped. Other
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

/// Adds a row. Each cell is printed in one line.
pub(crate) fn row<const N: usize>(table: &mut Table, cells: [String; N]) {
    table.add_row(cells.map(|cell| one_line(&cell).into_owned()));
}

/// Prints a table without trailing spaces.
pub(crate) fn lines(table: &Table) -> String {
    let mut text = String::new();
    for line in table.lines() {
        text.push_str(&one_line(line.trim_end()));
        text.push('\n');
    }
    text
}

/// Prints the deckies of a topology. Without Docker, their states are unknown.
pub(crate) fn deckies(deckies: &[DeckyState], observed: bool) -> String {
    let mut table = table(["DECKY", "ROLE", "ADDRESSES", "SERVICES", "STATE"]);
    for decky in deckies {
        let services: Vec<_> = decky.services.iter().map(|state| state.service.to_string()).collect();
        row(
            &mut table,
            [
                decky.decky.to_string(),
                decky.role().into(),
                or_dash(decky.address_text()),
                or_dash(services.join(" ")),
                if observed { decky.state_text() } else { "?".into() },
            ],
        );
    }
    lines(&table)
}

/// Returns the text, or a dash if it is empty.
pub(crate) fn or_dash(text: String) -> String {
    if text.is_empty() { "-".into() } else { text }
}
