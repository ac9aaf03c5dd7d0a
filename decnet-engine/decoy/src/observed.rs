//! The observed state of a network namespace.

use crate::netlink::{Address, Entry, Link};

/// The interfaces, addresses and routes of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Observed {
    pub(crate) links: Vec<Link>,
    pub(crate) addresses: Vec<Address>,
    pub(crate) entries: Vec<Entry>,
}
