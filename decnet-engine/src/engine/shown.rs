//! The comparison of a plan with the one that was shown to people.

use decnet_topology::Mutation;

use super::{EngineError, LostHost};
use crate::plan::Step;

/// Refuses steps or mutations that differ from those shown.
pub(in crate::engine) fn require_same<'a, T: PartialEq + Shown + 'a>(
    shown: impl IntoIterator<Item = &'a T>,
    now: impl IntoIterator<Item = &'a T>,
) -> Result<(), EngineError> {
    let (mut shown, mut now) = (shown.into_iter(), now.into_iter());
    loop {
        match (shown.next(), now.next()) {
            (None, None) => return Ok(()),
            (Some(shown), Some(now)) if shown == now => {}
            (shown, now) => {
                return Err(EngineError::PlanChanged {
                    shown: shown.map(Shown::text),
                    now: now.map(Shown::text),
                });
            }
        }
    }
}

/// A part of a plan that is shown to people.
pub(in crate::engine) trait Shown {
    /// Returns it as a text.
    fn text(&self) -> String;
}

impl Shown for Step {
    fn text(&self) -> String {
        self.to_string()
    }
}

impl Shown for LostHost {
    fn text(&self) -> String {
        self.to_string()
    }
}

impl Shown for Mutation {
    fn text(&self) -> String {
        format!("{} {}", self.op(), self.subject())
    }
}
