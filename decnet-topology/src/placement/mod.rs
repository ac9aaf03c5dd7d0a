//! Where a maze on several hosts runs, as data.

mod placed;
mod rules;
mod vni;

pub use placed::{Placement, StretchedLan};
pub use rules::{Distribution, LabelPin, PlacementRules};
pub use vni::Vni;
pub(crate) use vni::free;
