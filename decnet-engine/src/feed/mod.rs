//! The event feed: a snapshot of the store, then every later event once, from a bus and from the store.
//!
//! A bus may lose events, and a process may run without one. So the feed reads the store as well. The store has every change of
//! status and every stage of a mutation, but no steps and no deckies. `decnet events` prints a feed.
//!
//! ```
//! use std::sync::Arc;
//!
//! use decnet_engine::{Feed, FeedItem};
//! use decnet_topology::{MemoryRepo, NewTopology, Topology, TopologyStore as _};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let repo = Arc::new(MemoryRepo::new());
//! let (snapshot, mut feed) = Feed::open(repo.clone(), None, None).await?;
//! assert!(snapshot.is_empty());
//! assert!(matches!(feed.next().await, Some(Ok(FeedItem::BusLost))));
//!
//! let topology = Topology::builder().dmz("dmz", "10.0.0.0/24").build()?;
//! repo.create(NewTopology::new("corp".parse()?, topology), "2030-01-01T00:00:00Z".parse()?).await?;
//! let Some(Ok(FeedItem::Event { envelope, name })) = feed.next().await else { panic!("not an event") };
//! assert_eq!((name.as_deref(), envelope.topic().ends_with(".status")), (Some("corp"), true));
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod follower;
mod handle;
mod item;
mod stored;

pub use self::{handle::Feed, item::FeedItem, stored::TopologyNow};
