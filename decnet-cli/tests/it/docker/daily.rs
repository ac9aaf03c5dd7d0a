//! The daily verbs.

mod capture;
mod cp;
mod exec;
mod restart;
pub(super) mod shop;
