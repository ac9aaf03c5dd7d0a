//! What to do to Docker, as data.

mod diff;
mod pairs;
mod settle;
mod step;

pub use diff::diff;
#[cfg(feature = "docker")]
pub(crate) use pairs::belongs;
pub use step::{Action, Lane, Plan, PlanError, Step, StepId};
