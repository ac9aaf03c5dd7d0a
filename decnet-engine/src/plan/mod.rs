//! Steps that change Docker, as data.
//!
//! Only [`Engine::prepare`](crate::engine::Engine::prepare) makes plans: nothing else can compare or construct them.
//!
//! ```compile_fail,E0603
//! use decnet_engine::plan::diff;
//! ```
//!
//! ```compile_fail,E0599
//! let plan = decnet_engine::Plan::default();
//! ```

mod diff;
mod pairs;
mod reason;
mod settle;
mod step;

pub(crate) use diff::{diff, diff_since};
#[cfg(feature = "docker")]
pub(crate) use pairs::belongs;
pub use reason::Reason;
pub use step::{Action, Lane, Plan, PlanError, Step, StepId};
