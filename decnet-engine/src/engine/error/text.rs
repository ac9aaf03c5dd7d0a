//! Parts of the texts of errors, for people.

use decnet_topology::MutationId;

use crate::execute::StepFailure;

/// Describes the first difference from the shown plan.
pub(super) fn difference(shown: Option<&str>, now: Option<&str>) -> String {
    match (shown, now) {
        (Some(shown), Some(now)) => format!("`{now}` is needed instead of `{shown}`"),
        (Some(shown), None) => format!("`{shown}` is no longer needed"),
        (None, Some(now)) => format!("`{now}` is also needed"),
        (None, None) => "it has the same steps".into(),
    }
}

/// The largest number of queued mutations that are named.
const NAMED: usize = 5;

/// Names queued mutations.
pub(super) fn queue(queued: &[MutationId]) -> String {
    let named: Vec<_> = queued.iter().take(NAMED).map(ToString::to_string).collect();
    let more = if queued.len() > NAMED { ", …" } else { "" };
    let named = named.join(", ");
    match queued.len() {
        1 => format!("the queued mutation {named}"),
        count => format!("the {count} queued mutations ({named}{more})"),
    }
}

pub(super) fn joined(items: &[impl ToString], separator: &str) -> String {
    let items: Vec<_> = items.iter().map(ToString::to_string).collect();
    items.join(separator)
}

pub(super) fn describe(failure: &StepFailure) -> String {
    format!("{failure}: {}", failure.source)
}
