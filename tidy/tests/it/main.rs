//! Every rule over the workspace, and of each rule the proof that it can fail.

mod circles;
mod errors;
mod layers;
mod style;

use decnet_tidy::Breach;

/// Fails with all breaches, a line each.
#[track_caller]
fn none(breaches: &[Breach]) {
    let lines: Vec<String> = breaches.iter().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{} breaches:\n{}", lines.len(), lines.join("\n"));
}

/// Returns what the breaches say.
fn said(breaches: &[Breach]) -> Vec<(usize, &str)> {
    breaches
        .iter()
        .map(|breach| (breach.line, breach.what.as_str()))
        .collect()
}
