//! The forms in which Elasticsearch writes JSON and tables.

use crate::service::wire::http::quoted;

/// Indents JSON without spaces, as `?pretty` does.
pub(super) fn indented(json: &str) -> String {
    let mut text = String::new();
    let mut depth = 0_usize;
    let (mut is_string, mut is_escaped) = (false, false);
    let mut characters = json.chars().peekable();
    while let Some(character) = characters.next() {
        if is_string {
            text.push(character);
            is_string = is_escaped || character != '"';
            is_escaped = !is_escaped && character == '\\';
            continue;
        }
        match character {
            '{' | '[' if matches!(characters.peek(), Some('}' | ']')) => {
                text.push(character);
                text.push(' ');
                text.extend(characters.next());
            }
            '{' | '[' => {
                depth += 1;
                text.push(character);
                break_line(&mut text, depth);
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                break_line(&mut text, depth);
                text.push(character);
            }
            ',' => {
                text.push(',');
                break_line(&mut text, depth);
            }
            ':' => text.push_str(" : "),
            _ => {
                is_string = character == '"';
                text.push(character);
            }
        }
    }
    text
}

fn break_line(text: &mut String, depth: usize) {
    text.push('\n');
    text.push_str(&"  ".repeat(depth));
}

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
    fn json_is_indented_as_elasticsearch_does() {
        assert_eq!(
            indented(r#"{"a":{},"b":[1,"x:{\"y"],"c":[]}"#),
            "{\n  \"a\" : { },\n  \"b\" : [\n    1,\n    \"x:{\\\"y\"\n  ],\n  \"c\" : [ ]\n}"
        );
    }

    #[test]
    fn columns_of_numbers_are_at_the_right() {
        let rows = [["index", "docs"], ["logs", "7"], ["a", "1234"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows, true), "index docs\nlogs     7\na     1234\n");
        assert_eq!(table(&rows, false), "logs    7\na    1234\n");
        assert_eq!(table_as_json(&rows[..2]), r#"[{"index":"logs","docs":"7"}]"#);
    }
}
