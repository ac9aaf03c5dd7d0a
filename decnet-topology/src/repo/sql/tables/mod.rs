//! The statements, one file for each table. No file uses another; [`transaction`](super::transaction) and
//! [`backend`](crate::repo::backend) combine them.

pub(in crate::repo) mod attachments;
pub(in crate::repo) mod change_log;
pub(in crate::repo) mod deckies;
pub(in crate::repo) mod decky_changes;
pub(in crate::repo) mod hosts;
pub(in crate::repo) mod lans;
pub(in crate::repo) mod leases;
pub(in crate::repo) mod meta;
pub(in crate::repo) mod mutations;
pub(in crate::repo) mod status_events;
pub(in crate::repo) mod topologies;
pub(in crate::repo) mod visits;
