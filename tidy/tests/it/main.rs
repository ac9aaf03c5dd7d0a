//! Every rule over the workspace, and a proof that each rule can fail.

mod book;
mod cycles;
mod errors;
mod layers;
mod public_types;
mod style;
mod words;

use decnet_tidy::Breach;

/// Fails with all breaches, one per line.
#[track_caller]
fn none(breaches: &[Breach]) {
    let lines: Vec<String> = breaches.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{} breaches:\n{}", lines.len(), lines.join("\n"));
}

/// Returns the lines and texts of breaches.
fn said(breaches: &[Breach]) -> Vec<(usize, &str)> {
    breaches
        .iter()
        .map(|breach| (breach.line, breach.what.as_str()))
        .collect()
}
