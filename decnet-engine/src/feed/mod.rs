//! The event feed: a snapshot of the store, then every later event once. The log of the store has all changes in
//! order; a bus announces them early, and has the rest.

mod attackers;
mod follower;
mod handle;
mod item;
mod log;
mod snapshot;

pub use self::{
    handle::Feed,
    item::{FeedItem, FeedNotice},
    snapshot::TopologyNow,
};
