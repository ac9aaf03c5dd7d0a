//! Convergence of a topology to its desired state: every operation is planned and executed here.

mod admit;
mod carry_out;
pub(super) mod change;
mod deploy;
mod drain;
pub(super) mod drift;
mod force;
mod give_up;
mod mutate;
mod planning;
mod prepare;
mod reap;
mod reconcile;
pub(super) mod remains;
mod replace;
mod restart;
mod run;
mod shuffle;
mod submit;
mod teardown;
mod unwritten;
mod work;

pub use prepare::Prepared;
pub use reap::{PreparedReap, ReapOptions, ReapReport, Reaped};
pub(crate) use shuffle::REQUEST_PAUSE;
pub use shuffle::{DueShuffles, next_shuffle};
pub use submit::{EnqueuedMutation, Submitted, submit};
