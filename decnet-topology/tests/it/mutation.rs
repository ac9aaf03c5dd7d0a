//! Changes to a maze: how they are read, what they make, and what is refused.

mod apply;
mod conformance;
mod properties;
mod reading;
