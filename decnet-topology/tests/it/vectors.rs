//! Loads the conformance data.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;

/// Returns the rows of one conformance file: those of the copy in this crate, and additional ones of the shared folder next to
/// the workspace, if it exists.
pub(crate) fn vectors(name: &str) -> Vec<Value> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = [
        here.join("tests/vectors").join(name),
        here.join("../../shared/conformance").join(name),
    ];
    let mut seen = BTreeSet::new();
    let mut rows = Vec::new();
    for file in files.iter().filter(|file| file.exists()) {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let read: Vec<Value> =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        rows.extend(read.into_iter().filter(|row| seen.insert(row.to_string())));
    }
    assert!(!rows.is_empty(), "no rows of {name}");
    rows
}
