//! The event feed: a snapshot of the store, then every later event once, from a bus and from the store.

mod attackers;
mod follower;
mod handle;
mod item;
mod stored;

pub use self::{
    handle::Feed,
    item::{FeedItem, FeedNotice},
    stored::TopologyNow,
};
