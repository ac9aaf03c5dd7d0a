//! Steps that change Docker, as data.

mod diff;
mod links;
mod pairs;
mod reason;
mod settle;
mod shown;
mod step;

pub(crate) use diff::{diff, diff_since, restart};
#[cfg(feature = "docker")]
pub(crate) use pairs::belongs;
pub use reason::Reason;
pub use step::{Action, Lane, Plan, PlanError, Step, StepId};
