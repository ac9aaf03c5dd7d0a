//! Checks of the prerequisites of mazes: the runtime, the kernel of its machine, leftovers, links between hosts, and the mazes themselves.
//!
//! The results are data. The hints name `decnet` commands and settings.
//!
//! ```
//! use decnet_engine::{Verdict, doctor::check_runtime, simulated::Simulated};
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let checks = check_runtime(&Simulated::new(), None).await;
//! assert!(checks.iter().any(|check| check.what == "docker" && check.verdict == Verdict::Ok));
//! # });
//! # Ok::<(), std::io::Error>(())
//! ```

pub(crate) mod check;
mod daemon;
mod kernel;
mod left_behind;
mod limits;
mod links;
mod mazes;

pub(crate) use check::{Check, Verdict};
pub use daemon::check_runtime;
pub use links::check_links;
pub use mazes::{check_hosts, check_statuses};
