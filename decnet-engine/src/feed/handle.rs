use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use decnet_topology::{Repo, RepoError, Sequence, TopologyId};
use futures_util::Stream;
use tokio::{sync::mpsc, task::JoinHandle};

use super::{FeedItem, TopologyNow, follower::Follower};
use crate::bus::Bus;

/// How many items are queued for the reader. A slow reader then loses events of the bus.
const WAITING: usize = 64;

/// A snapshot followed by every later event, each once. Dropping the feed ends it.
///
/// The [log](decnet_topology::ChangeLog) of the store has every change of a topology and of its mutations, in order and with a
/// number. A bus announces these changes, so that they are read immediately, and has the other events: steps, deckies, attackers.
/// A bus may lose events, and a process may run without one, so the log is also read every second. `decnet events` prints a feed.
///
/// A reader that was interrupted [resumes](Self::resume) after the last number that it got.
///
/// ```
/// use std::sync::Arc;
///
/// use decnet_engine::{Feed, FeedItem};
/// use decnet_topology::{MemoryRepo, NewTopology, Sequence, Topology, TopologyStore as _};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let repo = Arc::new(MemoryRepo::new());
/// let (snapshot, mut feed) = Feed::open(repo.clone(), None, None).await?;
/// assert!(snapshot.is_empty());
/// assert!(matches!(feed.next().await, Some(Ok(FeedItem::BusLost))));
///
/// let topology = Topology::builder().dmz("dmz", "10.0.0.0/24").build()?;
/// repo.create(NewTopology::new("corp".parse()?, topology), "2030-01-01T00:00:00Z".parse()?).await?;
/// let Some(Ok(FeedItem::Event { envelope, name, sequence })) = feed.next().await else { panic!("not an event") };
/// assert_eq!((name.as_deref(), envelope.topic().ends_with(".status")), (Some("corp"), true));
/// assert_eq!(sequence, Some(feed.sequence()));
///
/// // The same event again, after the start of the log.
/// let (snapshot, mut feed) = Feed::resume(repo, None, None, Sequence::START).await?;
/// assert!(snapshot.is_none(), "nothing is missing");
/// assert!(matches!(feed.next().await, Some(Ok(FeedItem::BusLost))));
/// let Some(Ok(FeedItem::Event { envelope: again, .. })) = feed.next().await else { panic!("not an event") };
/// assert_eq!((again.event, again.at), (envelope.event, envelope.at));
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Feed {
    items: mpsc::Receiver<Result<FeedItem, RepoError>>,
    task: JoinHandle<()>,
    sequence: Sequence,
}

impl Feed {
    /// Returns the current state and the feed of later events. `only` selects one topology; without it, all are included.
    ///
    /// A change during this call may be in the state and be returned again.
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
        Ok((snapshot, Self::start(follower, items)))
    }

    /// Returns the feed of the events after a change, without a state: the reader has it.
    ///
    /// If the store no longer has the changes after that one, or never had it, the current state is returned, and the feed of later
    /// events, as [`open`](Self::open) does. Events without a number that the reader missed are not returned.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn resume(
        repo: Arc<dyn Repo>,
        bus: Option<&dyn Bus>,
        only: Option<TopologyId>,
        after: Sequence,
    ) -> Result<(Option<Vec<TopologyNow>>, Self), RepoError> {
        let (sender, items) = mpsc::channel(WAITING);
        let mut follower = Follower::new(repo, bus, only, sender);
        let snapshot = follower.resume(after).await?;
        Ok((snapshot, Self::start(follower, items)))
    }

    fn start(follower: Follower, items: mpsc::Receiver<Result<FeedItem, RepoError>>) -> Self {
        let sequence = follower.position();
        let task = tokio::spawn(follower.run());
        Self { items, task, sequence }
    }

    /// Returns the number of the last change that was returned, or that the state at the start has.
    pub const fn sequence(&self) -> Sequence {
        self.sequence
    }

    fn note(&mut self, item: Option<&Result<FeedItem, RepoError>>) {
        if let Some(Ok(FeedItem::Event {
            sequence: Some(sequence),
            ..
        })) = item
        {
            self.sequence = *sequence;
        }
    }

    /// Waits for the next item. The future is cancel-safe.
    ///
    /// A database that cannot be reached is tried again until it answers; then the changes that were made meanwhile follow. If the
    /// store cannot be read for another reason, the feed returns the error and then none.
    pub async fn next(&mut self) -> Option<Result<FeedItem, RepoError>> {
        let item = self.items.recv().await;
        self.note(item.as_ref());
        item
    }
}

impl Stream for Feed {
    type Item = Result<FeedItem, RepoError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(self.items.poll_recv(context));
        self.note(item.as_ref());
        Poll::Ready(item)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}
