//! The SQL, one file for each table. No file uses another; [`transaction`](super::transaction) and
//! [`backend`](crate::repo::backend) combine them.

pub(super) mod attachments;
pub(super) mod change_log;
pub(super) mod deckies;
pub(super) mod decky_changes;
pub(super) mod lans;
pub(super) mod leases;
pub(super) mod meta;
pub(super) mod mutations;
pub(super) mod status_events;
pub(super) mod topologies;
pub(super) mod visits;
