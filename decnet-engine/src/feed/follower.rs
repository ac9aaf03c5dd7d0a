use std::{mem, sync::Arc, time::Duration};

use decnet_topology::{EventId, Repo, RepoError, Sequence, TopologyId};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    FeedItem, TopologyNow,
    attackers::SeenAttackers,
    log::{LogReader, LoggedEvent, Page, is_logged},
};
use crate::{
    bus::{Bus, Connectivity, Pattern, Received, Subscription},
    event::{Envelope, Event},
};

/// How often the log of the store is read. A bus announces most changes earlier, and may lose events.
const POLL: Duration = Duration::from_secs(1);
/// How long changes that were read wait for their announcements, so that they come after the steps before them.
const GRACE: Duration = Duration::from_millis(100);
/// How long the start waits for the bus.
const CONNECT: Duration = Duration::from_secs(1);
/// How long the feed waits after the database could not be reached. The pause doubles each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How many changes wait at most for the events of a bus that came before them.
const HELD_BACK: usize = 1024;
/// After all numbers.
const END: Sequence = Sequence::new(u64::MAX);

/// The task of a feed.
#[derive(Debug)]
pub(super) struct Follower {
    events: Option<Subscription>,
    connectivity: watch::Receiver<Connectivity>,
    /// The connectivity that the reader was last informed of.
    connected: bool,
    log: LogReader,
    /// The topology to follow; none for all.
    only: Option<TopologyId>,
    attackers: SeenAttackers,
    /// How long the bus is followed before the log is read.
    pause: Duration,
    sender: mpsc::Sender<Result<FeedItem, RepoError>>,
}

/// The reason for the end of a feed.
enum Ended {
    /// The store cannot be read.
    Store(RepoError),
    /// The reader was dropped.
    Reader,
}

impl From<RepoError> for Ended {
    fn from(error: RepoError) -> Self {
        Self::Store(error)
    }
}

impl Follower {
    pub(super) fn new(
        repo: Arc<dyn Repo>,
        bus: Option<&dyn Bus>,
        only: Option<TopologyId>,
        sender: mpsc::Sender<Result<FeedItem, RepoError>>,
    ) -> Self {
        Self {
            events: bus.map(|bus| bus.subscribe(&patterns(only))),
            connectivity: bus.map_or_else(|| watch::channel(Connectivity::Lost).1, Bus::connectivity),
            connected: true,
            log: LogReader::new(repo, only),
            only,
            attackers: SeenAttackers::default(),
            pause: POLL,
            sender,
        }
    }

    /// Waits until the bus is connected or lost, for a short time. A bus that takes longer is reported later.
    ///
    /// Steps and changes of deckies after that are seen on the bus.
    async fn settle(&mut self) {
        let settled = self.connectivity.wait_for(|now| *now != Connectivity::Connecting);
        let _ = timeout(CONNECT, settled).await;
    }

    /// Returns the current state.
    pub(super) async fn snapshot(&mut self) -> Result<Vec<TopologyNow>, RepoError> {
        self.settle().await;
        self.log.snapshot().await
    }

    /// Continues after a change. Returns the current state instead if later changes are no longer in the log.
    pub(super) async fn resume(&mut self, after: Sequence) -> Result<Option<Vec<TopologyNow>>, RepoError> {
        self.settle().await;
        if self.log.resume(after).await? {
            self.pause = Duration::ZERO;
            return Ok(None);
        }
        self.log.snapshot().await.map(Some)
    }

    /// Returns the number of the change after which the events follow.
    pub(super) const fn position(&self) -> Sequence {
        self.log.position()
    }

    /// Sends items until the reader is dropped or the store cannot be read. A database that cannot be reached is tried again.
    pub(super) async fn run(mut self) {
        if let Err(Ended::Store(error)) = self.follow().await {
            // Fails if the reader was dropped too.
            let _ = self.sender.send(Err(error)).await;
        }
    }

    async fn follow(&mut self) -> Result<(), Ended> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.read_on().await {
                Ok(()) if pause > FIRST_PAUSE => {
                    self.send(FeedItem::StoreFound).await?;
                    pause = FIRST_PAUSE;
                }
                Ok(()) => {}
                // What was not read yet is still in its log.
                Err(Ended::Store(error @ RepoError::DatabaseUnreachable { .. })) => {
                    if pause == FIRST_PAUSE {
                        self.send(FeedItem::StoreLost(error.to_string())).await?;
                    }
                    self.rest(pause).await?;
                    pause = (2 * pause).min(LONGEST_PAUSE);
                }
                Err(ended) => return Err(ended),
            }
        }
    }

    /// Sends the events of a bus for a while, and then the changes that are in the log.
    async fn read_on(&mut self) -> Result<(), Ended> {
        self.note_connectivity().await?;
        let pause = mem::replace(&mut self.pause, POLL);
        self.follow_bus(Instant::now() + pause).await?;
        self.catch_up(pause.min(GRACE)).await
    }

    /// Waits, unless the reader was dropped.
    async fn rest(&self, pause: Duration) -> Result<(), Ended> {
        tokio::select! {
            biased;
            () = self.sender.closed() => Err(Ended::Reader),
            () = sleep(pause) => Ok(()),
        }
    }

    /// Informs the reader if the bus was lost or found.
    async fn note_connectivity(&mut self) -> Result<(), Ended> {
        let connected = *self.connectivity.borrow_and_update() == Connectivity::Connected;
        if connected == self.connected {
            return Ok(());
        }
        self.connected = connected;
        self.send(if connected {
            FeedItem::BusFound
        } else {
            FeedItem::BusLost
        })
        .await
    }

    /// Sends events of the bus until the store has to be read: it is due, events were lost, or the connectivity changed.
    async fn follow_bus(&mut self, due: Instant) -> Result<(), Ended> {
        loop {
            let received = tokio::select! {
                biased;
                () = self.sender.closed() => return Err(Ended::Reader),
                // A busy bus must not keep the store from being read.
                () = sleep_until(due) => return Ok(()),
                () = changed(&mut self.connectivity) => return Ok(()),
                received = next(&mut self.events) => received,
            };
            match received {
                Received::Event(envelope) if is_logged(&envelope.event) => self.announce(&envelope).await?,
                Received::Event(envelope) if self.is_new(&envelope) => self.send_event(envelope).await?,
                Received::Event(_) => {}
                Received::Lagged(lost) => return self.send(FeedItem::Lagged(lost)).await,
            }
        }
    }

    /// Records an event that only a bus has. Returns whether it is selected and new.
    fn is_new(&mut self, envelope: &Envelope) -> bool {
        match &envelope.event {
            Event::Attacker(event) => self.only.is_none_or(|only| only == event.topology) && self.attackers.note(event),
            _ => true,
        }
    }

    /// Sends the changes up to the one that the bus announced: later ones may belong after the next events of the bus.
    ///
    /// A change that is not in the log was sent before, or the store is behind the bus; then it follows later.
    async fn announce(&mut self, envelope: &Envelope) -> Result<(), Ended> {
        loop {
            if let Some(last) = self.log.announced(&envelope.event) {
                return self.send_changes(last, Some(envelope.id)).await;
            }
            if self.log.waiting() > HELD_BACK {
                self.send_changes(self.log.position(), None).await?;
            }
            match self.log.read_page().await? {
                Page::Full => {}
                Page::Last if self.log.announced(&envelope.event).is_some() => {}
                Page::Last => return Ok(()),
                Page::Missing(lost) => self.send_missing(lost).await?,
            }
        }
    }

    /// Sends all changes that are in the log now, with or without an announcement.
    async fn catch_up(&mut self, grace: Duration) -> Result<(), Ended> {
        loop {
            let page = match self.log.read_page().await? {
                Page::Missing(lost) => {
                    self.send_missing(lost).await?;
                    continue;
                }
                page => page,
            };
            let last = self.log.position();
            if self.connected && self.log.waiting() > 0 && page == Page::Last {
                self.follow_bus(Instant::now() + grace).await?;
            }
            self.send_changes(last, None).await?;
            if page == Page::Last {
                return Ok(());
            }
        }
    }

    /// Sends the changes that were read, up to a number. The last one has the id of its announcement.
    async fn send_changes(&mut self, last: Sequence, announcement: Option<EventId>) -> Result<(), Ended> {
        while let Some(LoggedEvent {
            mut envelope,
            name,
            sequence,
        }) = self.log.next_until(last)
        {
            if let Some(id) = announcement.filter(|_| sequence == last) {
                envelope.id = id;
            }
            self.send(FeedItem::Event {
                envelope,
                name: Some(name),
                sequence: Some(sequence),
            })
            .await?;
        }
        Ok(())
    }

    /// Sends the changes that were read, and then the number of those after them that the log no longer has.
    async fn send_missing(&mut self, lost: u64) -> Result<(), Ended> {
        self.send_changes(END, None).await?;
        self.send(FeedItem::Lagged(lost)).await
    }

    /// Sends an event that only a bus has.
    async fn send_event(&self, envelope: Envelope) -> Result<(), Ended> {
        let topology = envelope.event.topology();
        let name = topology.and_then(|id| self.log.name(id)).map(ToString::to_string);
        self.send(FeedItem::Event {
            envelope,
            name,
            sequence: None,
        })
        .await
    }

    async fn send(&self, item: FeedItem) -> Result<(), Ended> {
        self.sender.send(Ok(item)).await.map_err(|_| Ended::Reader)
    }
}

fn patterns(only: Option<TopologyId>) -> Vec<Pattern> {
    let Some(id) = only else {
        return vec![Pattern::everything()];
    };
    // The topics of attackers have no topology.
    let texts = [format!("topology.{id}.>"), format!("decky.{id}.>"), "attacker.>".into()];
    texts.iter().filter_map(|text| Pattern::new(text).ok()).collect()
}

/// Waits for the next event of a bus. Waits forever without a bus, and after its end.
async fn next(events: &mut Option<Subscription>) -> Received {
    if let Some(subscription) = events {
        match subscription.recv().await {
            Some(received) => return received,
            None => *events = None,
        }
    }
    std::future::pending().await
}

/// Waits until the connectivity changes. For a bus within the process this waits forever.
async fn changed(connectivity: &mut watch::Receiver<Connectivity>) {
    if connectivity.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
