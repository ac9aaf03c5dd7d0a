//! Details of errors that are not in their text.

use super::{EngineError, text::describe};
use crate::causes;

impl EngineError {
    /// Returns details that are not in the text, one per line: further failed steps, and leftovers on the runtime.
    pub fn details(&self) -> Vec<String> {
        let (failures, undo_failures, leftovers): (&[_], &[_], &[_]) = match self {
            Self::DeployFailed {
                failures,
                undo_failures,
                leftovers,
                ..
            } => (failures, undo_failures, leftovers),
            Self::Interrupted {
                undo_failures,
                leftovers,
                ..
            } => (&[], undo_failures, leftovers),
            Self::TeardownIncomplete {
                failures, leftovers, ..
            } => (failures, &[], leftovers),
            Self::LeftOnRuntime { leftovers, .. } => (&[], &[], leftovers),
            _ => return Vec::new(),
        };
        // The text contains the first failure.
        let failures = failures.iter().skip(1).map(describe);
        let undone = undo_failures
            .iter()
            .map(|failure| format!("while undoing: {}", describe(failure)));
        let left = leftovers.iter().map(|left| format!("left: {left}"));
        failures.chain(undone).chain(left).collect()
    }

    /// Formats the error with its causes, for people.
    pub(crate) fn with_causes(&self) -> String {
        causes::with_causes(self)
    }
}
