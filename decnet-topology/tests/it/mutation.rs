//! Changes to a maze: parsing, results and refusals.

mod apply;
mod conformance;
mod difference;
mod properties;
mod reading;
