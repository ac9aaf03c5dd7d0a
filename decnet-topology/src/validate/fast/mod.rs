//! The two optimisations of the rules. Without them, `validate` takes twice as long (decision 0026).
//!
//! Each has its plain form as the oracle of a test.

mod addresses;
mod services;

pub(super) use addresses::UsedAddresses;
pub(super) use services::{CatalogCache, ServiceView};
