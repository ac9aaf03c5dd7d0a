//! `docs/maze-file.md` has the fields of every built-in service.

use serde_json::Value;

use super::page::Page;
use crate::command::Sandbox;

/// Returns the row of a service in the table: its name, its ports, and its fields with their defaults.
fn row(service: &Value) -> String {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let list = |value: &Value| value.as_array().expect("a list").clone();
    let ports: Vec<_> = list(&service["ports"])
        .iter()
        .map(|port| text(port).trim_end_matches("/tcp").to_owned())
        .collect();
    let fields = list(&service["fields"]);
    let fields: Vec<_> = fields
        .iter()
        .map(|field| {
            let key = text(&field["key"]);
            match &field["default"] {
                Value::Null => format!("`{key}`"),
                default => format!("`{key}` ({default})").replace("\",\"", "\", \""),
            }
        })
        .collect();
    format!(
        "| `{}` | {} | {} |\n",
        text(&service["name"]),
        ports.join(", "),
        fields.join(", ")
    )
}

#[test]
fn the_page_on_maze_files_has_the_fields_of_every_built_in_service() {
    let services = Sandbox::new().run(&["services", "--json"]).exits(0).json();
    let services = services["services"].as_array().expect("a list").iter();
    // A service without ports (`sniffer`) never runs on a decky.
    let rows: String = services
        .filter(|service| service["ports"] != Value::Array(Vec::new()))
        .map(row)
        .collect();
    let table = format!("| service | ports | fields, and their defaults |\n|---|---|---|\n{rows}");
    assert!(
        Page::read("docs/maze-file.md").has(&table),
        "docs/maze-file.md must have:\n{table}"
    );
}
