//! The conformance data.

use std::{fs, path::Path};

use serde_json::Value;

/// Reads the rows of a file of conformance data: the copy in this crate, and the project's own where it is at hand.
pub(crate) fn vectors(name: &str) -> Vec<Value> {
    let crate_root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let copy = crate_root.join("tests/vectors").join(name);
    let shared = crate_root.join("../../shared/conformance").join(name);
    let mut rows = read(&copy);
    if shared.exists() {
        let more = read(&shared).into_iter().filter(|row| !rows.contains(row));
        let more: Vec<_> = more.collect();
        rows.extend(more);
    }
    assert!(!rows.is_empty(), "{name} holds no rows");
    rows
}

fn read(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
