//! What to do to Docker, as data.

mod diff;
mod pairs;
mod settle;
mod step;

pub use diff::diff;
pub use step::{Action, Lane, Plan, PlanError, Step, StepId};
