//! Every rule that a maze is held to, one function each.

mod report;

pub use report::{Invalid, Report, RuleSet, ValidTopology};
