//! Checks of everything that mazes need: the runtime, the kernel of its machine, what was left behind, and the mazes themselves.
//!
//! The results are data. The hints name commands of `decnet`, and the settings to change.
//!
//! ```
//! use decnet_engine::{doctor::{Verdict, check_runtime}, runtime::simulated::Simulated};
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let checks = check_runtime(&Simulated::new(), None).await;
//! assert!(checks.iter().any(|check| check.what == "docker" && check.verdict == Verdict::Ok));
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```

mod check;
mod daemon;
mod kernel;
mod left_behind;
mod limits;
mod mazes;

pub use check::{Check, Verdict};
pub use daemon::check_runtime;
pub use mazes::{check_hosts, check_statuses};
