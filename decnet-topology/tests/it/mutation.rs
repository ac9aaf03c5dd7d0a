//! Changes to a maze: parsing, results and refusals.

mod apply;
mod conformance;
mod properties;
mod reading;
