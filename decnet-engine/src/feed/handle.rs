use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use decnet_topology::{Repo, RepoError, TopologyId};
use futures_util::Stream;
use tokio::{sync::mpsc, task::JoinHandle};

use super::{FeedItem, TopologyNow, follower::Follower};
use crate::bus::Bus;

/// How many items are queued for the reader. A slow reader then loses events of the bus.
const WAITING: usize = 64;

/// A snapshot followed by every later event, each once. Dropping the feed ends it.
///
/// A bus may lose events, and a process may run without one. So the feed reads the store as well. The store has every change of
/// status and every stage of a mutation, but no steps and no deckies. `decnet events` prints a feed.
///
/// ```
/// use std::sync::Arc;
///
/// use decnet_engine::{Feed, FeedItem};
/// use decnet_topology::{MemoryRepo, NewTopology, Topology, TopologyStore as _};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let repo = Arc::new(MemoryRepo::new());
/// let (snapshot, mut feed) = Feed::open(repo.clone(), None, None).await?;
/// assert!(snapshot.is_empty());
/// assert!(matches!(feed.next().await, Some(Ok(FeedItem::BusLost))));
///
/// let topology = Topology::builder().dmz("dmz", "10.0.0.0/24").build()?;
/// repo.create(NewTopology::new("corp".parse()?, topology), "2030-01-01T00:00:00Z".parse()?).await?;
/// let Some(Ok(FeedItem::Event { envelope, name })) = feed.next().await else { panic!("not an event") };
/// assert_eq!((name.as_deref(), envelope.topic().ends_with(".status")), (Some("corp"), true));
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Feed {
    items: mpsc::Receiver<Result<FeedItem, RepoError>>,
    task: JoinHandle<()>,
}

impl Feed {
    /// Returns the current state and the feed of later events. `only` selects one topology; without it, all are included.
    ///
    /// It must be called within a tokio runtime with time enabled.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn open(
        repo: Arc<dyn Repo>,
        bus: Option<&dyn Bus>,
        only: Option<TopologyId>,
    ) -> Result<(Vec<TopologyNow>, Self), RepoError> {
        let (sender, items) = mpsc::channel(WAITING);
        let mut follower = Follower::new(repo, bus, only, sender);
        let snapshot = follower.snapshot().await?;
        let task = tokio::spawn(follower.run());
        Ok((snapshot, Self { items, task }))
    }

    /// Waits for the next item. The future is cancel-safe.
    ///
    /// If the store cannot be read, the feed returns the error and then none.
    pub async fn next(&mut self) -> Option<Result<FeedItem, RepoError>> {
        self.items.recv().await
    }
}

impl Stream for Feed {
    type Item = Result<FeedItem, RepoError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.items.poll_recv(context)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}
