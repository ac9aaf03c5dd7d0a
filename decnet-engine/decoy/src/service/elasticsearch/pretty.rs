//! The forms in which Elasticsearch writes tables.

use crate::service::wire::http::quoted;

/// Returns a table whose first row has the names of the columns. Numbers are at the right.
pub(super) fn table(rows: &[Vec<String>], has_title: bool) -> String {
    let rows = rows.get(usize::from(!has_title)..).unwrap_or_default();
    let columns = rows.first().map_or(0, Vec::len);
    let cell = |row: &'_ [String], at: usize| row.get(at).cloned().unwrap_or_default();
    let widths: Vec<usize> = (0..columns)
        .map(|at| rows.iter().map(|row| cell(row, at).len()).max().unwrap_or_default())
        .collect();
    let is_number = |text: &str| text.starts_with(|first: char| first.is_ascii_digit()) && !text.contains([':', '-']);
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = widths
            .iter()
            .enumerate()
            .map(|(at, width)| {
                let is_right = rows.last().is_some_and(|last| is_number(&cell(last, at)));
                let cell = cell(row, at);
                if is_right {
                    format!("{cell:>width$}")
                } else {
                    format!("{cell:<width$}")
                }
            })
            .collect();
        text.push_str(&cells.join(" "));
        text.push('\n');
    }
    text
}

/// Returns a table as a list of objects.
pub(super) fn table_as_json(rows: &[Vec<String>]) -> String {
    let Some((names, rows)) = rows.split_first() else {
        return "[]".into();
    };
    let objects = rows.iter().map(|row| {
        let members = names
            .iter()
            .zip(row)
            .map(|(name, value)| format!("\"{name}\":{}", quoted(value)));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    });
    format!("[{}]", objects.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_numbers_are_at_the_right() {
        let rows = [["index", "docs"], ["logs", "7"], ["a", "1234"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows, true), "index docs\nlogs     7\na     1234\n");
        assert_eq!(table(&rows, false), "logs    7\na    1234\n");
        assert_eq!(table_as_json(&rows[..2]), r#"[{"index":"logs","docs":"7"}]"#);
    }
}
