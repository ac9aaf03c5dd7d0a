use std::{sync::Arc, time::Duration};

use decnet_topology::{Repo, RepoError, TopologyId};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout},
};

use super::{
    FeedItem,
    attackers::SeenAttackers,
    stored::{StoredEvents, TopologyNow},
};
use crate::{
    bus::{Bus, Connectivity, Pattern, Received, Subscription},
    event::{Envelope, Event},
};

/// How often the store is read while the bus is not connected.
const POLL_WITHOUT_BUS: Duration = Duration::from_secs(1);
/// How often the store is read while the bus is connected, because a bus may lose events.
const POLL_WITH_BUS: Duration = Duration::from_secs(10);
/// How long the snapshot waits for the bus.
const CONNECT: Duration = Duration::from_secs(1);

/// The task of a feed.
#[derive(Debug)]
pub(super) struct Follower {
    events: Option<Subscription>,
    connectivity: watch::Receiver<Connectivity>,
    /// The connectivity that the reader was last informed of.
    connected: bool,
    stored: StoredEvents,
    /// The topology to follow; none for all.
    only: Option<TopologyId>,
    attackers: SeenAttackers,
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
            stored: StoredEvents::new(repo, only),
            only,
            attackers: SeenAttackers::default(),
            sender,
        }
    }

    /// Reads the current state.
    ///
    /// It waits for the bus first. An event in between is seen on the bus and in the store, and returned once.
    pub(super) async fn snapshot(&mut self) -> Result<Vec<TopologyNow>, RepoError> {
        let settled = self.connectivity.wait_for(|now| *now != Connectivity::Connecting);
        // A bus that takes longer is reported later.
        let _ = timeout(CONNECT, settled).await;
        self.stored.snapshot().await
    }

    /// Sends items until the reader is dropped or the store cannot be read.
    pub(super) async fn run(mut self) {
        if let Err(Ended::Store(error)) = self.follow().await {
            // Fails if the reader was dropped too.
            let _ = self.sender.send(Err(error)).await;
        }
    }

    async fn follow(&mut self) -> Result<(), Ended> {
        loop {
            self.note_connectivity().await?;
            let pause = if self.connected {
                POLL_WITH_BUS
            } else {
                POLL_WITHOUT_BUS
            };
            self.follow_bus(Instant::now() + pause).await?;
            for envelope in self.stored.catch_up().await? {
                self.send_event(envelope).await?;
            }
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
                Received::Event(envelope) if self.see(&envelope) => self.send_event(envelope).await?,
                Received::Event(_) => {}
                Received::Lagged(lost) => return self.send(FeedItem::Lagged(lost)).await,
            }
        }
    }

    /// Records an event from the bus. Returns whether it is selected and new.
    fn see(&mut self, envelope: &Envelope) -> bool {
        match &envelope.event {
            Event::Attacker(event) => self.only.is_none_or(|only| only == event.topology) && self.attackers.note(event),
            _ => self.stored.see(envelope),
        }
    }

    async fn send_event(&self, envelope: Envelope) -> Result<(), Ended> {
        let topology = envelope.event.topology();
        let name = topology.and_then(|id| self.stored.name(id)).map(ToOwned::to_owned);
        self.send(FeedItem::Event { envelope, name }).await
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
