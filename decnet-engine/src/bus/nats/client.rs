use std::{
    collections::BTreeSet,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_nats::{Client, ConnectOptions, Event as Notice, Message, ServerAddr, Subscriber};
use backon::{BackoffBuilder as _, ExponentialBuilder};
use bytes::Bytes;
use decnet_topology::rng;
use futures_util::{StreamExt as _, stream};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time::Instant,
};

use super::{
    recent::Recent,
    subject,
    url::{Login, NatsUrl},
};
use crate::{
    bus::{
        Bus, Connectivity, Outlet, Pattern, Subscription,
        backlog::{Backlog, Bound, Next},
    },
    event::Envelope,
};

/// How many events are queued for publishing.
const BOUND: Bound = Bound {
    items: 4096,
    bytes: usize::MAX,
};
/// How many received messages wait in the library. It drops newer ones.
const RECEIVED: usize = 8192;
/// The longest event in bytes, as on a Unix socket. A server may allow less.
const LONGEST_EVENT: usize = 1 << 20;
/// The first and the longest pause between two attempts to connect.
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(5);
/// The pause of a client that is no longer used: nothing ends an attempt of the library.
const FOREVER: Duration = Duration::from_hours(24 * 365);
/// How long an old subscription stays after the new one is active.
const OVERLAP: Duration = Duration::from_millis(100);
/// How long one attempt to connect may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A bus on a NATS server, whether the server can be reached or not.
///
/// It connects in the background, and reconnects with backoff whenever the connection is lost. Meanwhile published events are queued,
/// up to a bound, and events of other processes are missed; the store has the true state. Dropping the bus closes the connection.
///
/// An event has the subject `decnet.event.` and its topic, in lower case. Everyone who may publish such subjects can send hints to the
/// programs that listen, and everyone who may subscribe to them reads what happens in the mazes, with the data of attackers: a server
/// that others use too should give DECNET an account.
#[derive(Debug)]
pub struct NatsBus {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    outgoing: Backlog<Envelope>,
    outlets: Mutex<Vec<Outlet>>,
    /// A subscription was added or dropped.
    changed: Notify,
    link: watch::Sender<Link>,
    connectivity: watch::Sender<Connectivity>,
    client: OnceLock<Client>,
    /// The bus was dropped.
    dropped: AtomicBool,
}

/// The state of the connection, and of publishing.
#[derive(Debug, Clone, Copy, Default)]
struct Link {
    /// The number of the connection, from 1.
    connection: u64,
    /// Whether that connection is open, as far as known.
    open: bool,
    /// How many events are neither sent nor lost.
    pending: u64,
    /// Whether the last attempt to connect failed.
    down: bool,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Shared");
        shown
            .field("outgoing", &self.outgoing)
            .field("link", &*self.link.borrow());
        shown.finish_non_exhaustive()
    }
}

impl NatsBus {
    /// Starts to connect. `name` describes this client to people. It must be called within a tokio runtime.
    pub fn new(url: &NatsUrl, name: impl Into<String>) -> Self {
        let shared = Arc::new(Shared {
            outgoing: Backlog::new(BOUND),
            outlets: Mutex::default(),
            changed: Notify::new(),
            link: watch::Sender::default(),
            connectivity: watch::Sender::default(),
            client: OnceLock::new(),
            dropped: AtomicBool::new(false),
        });
        let task = tokio::spawn(run(Arc::clone(&shared), url.clone(), name.into()));
        Self { shared, task }
    }

    /// Waits until all published events are sent or the server does not answer, at most for the timeout.
    pub async fn flush(&self, timeout: Duration) {
        let sent = async {
            let mut link = self.shared.link.subscribe();
            let settled = link.wait_for(|link| link.pending == 0 || link.down).await;
            let is_open = settled.is_ok_and(|link| link.open);
            if let Some(client) = self.shared.client.get().filter(|_| is_open) {
                // Fails only if the client has ended.
                let _ = client.flush().await;
            }
        };
        // Events that are not sent by then are lost.
        let _ = tokio::time::timeout(timeout, sent).await;
    }
}

impl Bus for NatsBus {
    fn publish(&self, envelope: Envelope) {
        self.shared.link.send_modify(|link| link.pending += 1);
        self.shared.outgoing.push(envelope, 0);
    }

    fn subscribe(&self, patterns: &[Pattern]) -> Subscription {
        let (outlet, subscription) = Subscription::new(patterns);
        let mut outlets = self.shared.outlets();
        outlets.retain(Outlet::is_open);
        outlets.push(outlet);
        drop(outlets);
        self.shared.changed.notify_one();
        subscription
    }

    fn connectivity(&self) -> watch::Receiver<Connectivity> {
        self.shared.connectivity.subscribe()
    }
}

impl Drop for NatsBus {
    fn drop(&mut self) {
        self.shared.dropped.store(true, Ordering::Relaxed);
        self.shared.outlets().clear();
        self.task.abort();
    }
}

/// Connects, and publishes and delivers events. The library reconnects.
async fn run(shared: Arc<Shared>, url: NatsUrl, name: String) {
    let connected = match ServerAddr::from_url(url.server().clone()) {
        Ok(server) => options(&shared, &url, name)
            .await
            .connect(server)
            .await
            .map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let client = match connected {
        Ok(client) => client,
        Err(error) => return shared.lose(&error),
    };
    // It is set only here.
    let _ = shared.client.set(client.clone());
    let (published, followed) = tokio::join!(shared.publish_all(&client), Follower::new(&shared, &client).run());
    let ended: Result<(), String> = published.and(followed);
    shared.lose(&ended.err().unwrap_or_default());
}

async fn options(shared: &Arc<Shared>, url: &NatsUrl, name: String) -> ConnectOptions {
    let (noticing, pausing) = (Arc::downgrade(shared), Arc::downgrade(shared));
    let options = ConnectOptions::new()
        .name(name)
        .require_tls(url.needs_tls())
        .retry_on_initial_connect()
        .connection_timeout(TIMEOUT)
        .subscription_capacity(RECEIVED)
        .event_callback(move |notice| {
            if let Some(shared) = noticing.upgrade() {
                shared.notice(&notice);
            }
            async {}
        })
        .reconnect_delay_callback(move |attempt| match pausing.upgrade() {
            Some(shared) if !shared.dropped.load(Ordering::Relaxed) => pause(attempt),
            _ => FOREVER,
        });
    // The certificates of this machine are read from files. Without any, the library reports that TLS failed.
    let options = match tokio::task::spawn_blocking(tls).await {
        Ok(Ok(config)) => options.tls_client_config(config),
        _ => options,
    };
    match &url.login {
        Login::Nobody => options,
        Login::Token(token) => options.token(token.clone()),
        Login::User { name, password } => options.user_and_password(name.clone(), password.clone()),
    }
}

fn tls() -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Returns the pause before an attempt, from 1. The first one is made at once.
fn pause(attempt: usize) -> Duration {
    let backoff = ExponentialBuilder::new()
        .with_min_delay(SHORTEST)
        .with_max_delay(LONGEST)
        .without_max_times();
    match attempt {
        ..=1 => Duration::ZERO,
        attempt => backoff.build().nth((attempt - 2).min(16)).unwrap_or(LONGEST),
    }
}

impl Shared {
    fn outlets(&self) -> MutexGuard<'_, Vec<Outlet>> {
        self.outlets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Handles a notice of the library.
    fn notice(&self, notice: &Notice) {
        match notice {
            Notice::Connected => self.link.send_modify(|link| {
                link.connection += 1;
                link.open = true;
            }),
            Notice::Disconnected | Notice::Closed | Notice::ClientError(_) => self.lose(&notice.to_string()),
            // One notice for each message that is dropped, or fewer.
            Notice::SlowConsumer(_) => self.outlets().iter().for_each(|outlet| outlet.lose(1)),
            Notice::ServerError(error) => tracing::warn!(%error, "the NATS server refused something"),
            Notice::LameDuckMode | Notice::Draining => tracing::debug!(%notice, "the NATS server will stop"),
        }
    }

    fn lose(&self, why: &str) {
        self.link.send_modify(|link| {
            link.open = false;
            link.down = true;
            if self.connectivity.send_replace(Connectivity::Lost) != Connectivity::Lost {
                tracing::warn!(why, "the NATS server is not reachable");
            }
        });
    }

    /// All subscriptions of a connection are active.
    fn found(&self, connection: u64) {
        self.link.send_modify(|link| {
            if link.open && link.connection == connection {
                link.down = false;
                self.connectivity.send_replace(Connectivity::Connected);
            }
        });
    }

    /// Publishes events while there is a connection.
    async fn publish_all(&self, client: &Client) -> Result<(), String> {
        let mut link = self.link.subscribe();
        while let Some(next) = self.outgoing.next().await {
            // Meanwhile the queue drops its oldest events, not the library.
            let open = link.wait_for(|link| link.open).await;
            open.map_err(|error| error.to_string())?;
            let settled = match next {
                Next::Lost(lost) => {
                    tracing::warn!(lost, "events were lost before the NATS server took them");
                    lost
                }
                Next::Item(envelope) => {
                    publish(client, &envelope).await?;
                    1
                }
            };
            self.link
                .send_modify(|link| link.pending = link.pending.saturating_sub(settled));
        }
        Ok(())
    }

    /// Delivers an event to the subscribers that want it.
    fn hand_out(&self, message: &Message, recent: &mut Recent) {
        let received = match message.payload.len() {
            ..=LONGEST_EVENT => serde_json::from_slice::<Envelope>(&message.payload),
            length => return tracing::debug!(length, subject = %message.subject, "a message is too long for an event"),
        };
        let envelope = match received {
            Ok(envelope) => envelope,
            Err(error) => return tracing::debug!(%error, subject = %message.subject, "a message is not an event"),
        };
        let topic = envelope.topic();
        if subject::of_topic(&topic).as_deref() != Some(message.subject.as_str()) {
            return tracing::debug!(topic, subject = %message.subject, "an event has the subject of another topic");
        }
        if !recent.is_new(envelope.id) {
            return;
        }
        let outlets = self.outlets();
        for outlet in outlets.iter().filter(|outlet| outlet.wants(&topic)) {
            outlet.send(envelope.clone());
        }
        if !outlets.iter().all(Outlet::is_open) {
            self.changed.notify_one();
        }
    }

    /// Returns the subject that covers what the subscribers want.
    fn wanted(&self) -> Option<String> {
        let mut outlets = self.outlets();
        outlets.retain(Outlet::is_open);
        let patterns: BTreeSet<&Pattern> = outlets.iter().flat_map(Outlet::patterns).collect();
        subject::covering(patterns)
    }
}

/// Sends an event. One that the server would refuse is lost.
async fn publish(client: &Client, envelope: &Envelope) -> Result<(), String> {
    let topic = envelope.topic();
    let Some(subject) = subject::of_topic(&topic) else {
        tracing::warn!(topic, "an event was lost: its topic cannot be sent to NATS");
        return Ok(());
    };
    let payload = serde_json::to_vec(envelope).map_err(|error| error.to_string())?;
    let limit = LONGEST_EVENT.min(client.server_info().max_payload);
    if payload.len() > limit {
        tracing::warn!(
            topic,
            bytes = payload.len(),
            limit,
            "an event was lost: it is too large for the NATS server"
        );
        return Ok(());
    }
    match client.publish(subject, payload.into()).await {
        Err(error) if error.kind() == async_nats::PublishErrorKind::Send => Err(error.to_string()),
        Err(error) => {
            tracing::warn!(topic, %error, "an event was lost");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Follows what the local subscribers want.
///
/// It has one subscription. If another subject is wanted, the new subscription begins before the old one ends. To know when the server
/// has begun it, the follower sends itself a message, a probe: the server handles what a client sends in order. An event of another
/// client can still arrive a little later through the old subscription alone, so both stay for a moment.
struct Follower<'a> {
    shared: &'a Shared,
    client: &'a Client,
    probes: String,
    /// The number of the last probe, and the connection on which it was sent.
    probe: (u64, u64),
    followed: Option<(String, Subscriber)>,
    /// What replaces it, and when.
    next: Option<Replacement>,
    switch_at: Option<Instant>,
    recent: Recent,
}

/// What replaces a subscription: another one, or none.
struct Replacement(Option<(String, Subscriber)>);

impl<'a> Follower<'a> {
    fn new(shared: &'a Shared, client: &'a Client) -> Self {
        Self {
            shared,
            client,
            probes: subject::of_probes(&rng::event_id().to_string()),
            probe: (0, 0),
            followed: None,
            next: None,
            switch_at: None,
            recent: Recent::default(),
        }
    }

    async fn run(mut self) -> Result<(), String> {
        let subscribed = self.client.subscribe(self.probes.clone()).await;
        let mut answers = subscribed.map_err(|error| error.to_string())?;
        let mut link = self.shared.link.subscribe();
        loop {
            let known = self.probe.1;
            let new_connection = async {
                let opened = link.wait_for(|link| link.open && link.connection != known).await;
                opened.map(|link| link.connection)
            };
            tokio::select! {
                biased;
                opened = new_connection => {
                    let connection = opened.map_err(|error| error.to_string())?;
                    self.follow().await?;
                    self.send_probe(connection).await?;
                }
                () = self.shared.changed.notified() => self.renew().await?,
                Some(answer) = answers.next() => self.take(&answer),
                () = tokio::time::sleep_until(self.switch_at.unwrap_or_else(Instant::now)), if self.switch_at.is_some() => {
                    self.switch().await?;
                }
                Some(message) = next_of(&mut self.followed) => self.shared.hand_out(&message, &mut self.recent),
                else => return Err("the client ended".into()),
            }
        }
    }

    /// Begins the subscription that is wanted now, unless one is beginning. Returns whether it is another one.
    async fn follow(&mut self) -> Result<bool, String> {
        let wanted = self.shared.wanted();
        let subject = self.followed.as_ref().map(|(subject, _)| subject);
        if self.next.is_some() || subject == wanted.as_ref() {
            return Ok(false);
        }
        let begun = match wanted {
            Some(subject) => {
                let subscribed = self.client.subscribe(subject.clone()).await;
                Some((subject, subscribed.map_err(|error| error.to_string())?))
            }
            None => None,
        };
        if self.followed.is_none() {
            self.followed = begun;
        } else {
            self.next = Some(Replacement(begun));
        }
        Ok(true)
    }

    async fn send_probe(&mut self, connection: u64) -> Result<(), String> {
        self.probe = (self.probe.0 + 1, connection);
        let number = Bytes::copy_from_slice(&self.probe.0.to_be_bytes());
        let sent = self.client.publish(self.probes.clone(), number).await;
        sent.map_err(|error| error.to_string())
    }

    /// Takes the answer to a probe. The subscription that was begun before it is active.
    fn take(&mut self, answer: &Message) {
        if answer.payload[..] == self.probe.0.to_be_bytes() {
            self.switch_at = self.next.is_some().then(|| Instant::now() + OVERLAP);
            self.shared.found(self.probe.1);
        }
    }

    /// Ends the old subscription, after everything that arrived through it was delivered.
    async fn switch(&mut self) -> Result<(), String> {
        self.switch_at = None;
        if let Some(Replacement(next)) = self.next.take()
            && let Some((_, mut old)) = std::mem::replace(&mut self.followed, next)
        {
            // Fails only if the client has ended. What has arrived can still be taken.
            let _ = old.unsubscribe().await;
            while let Some(message) = old.next().await {
                self.shared.hand_out(&message, &mut self.recent);
            }
        }
        self.renew().await
    }

    /// Begins the subscription that is wanted now, and asks the server whether it has.
    async fn renew(&mut self) -> Result<(), String> {
        if self.follow().await? {
            self.send_probe(self.probe.1).await?;
        }
        Ok(())
    }
}

/// Waits for the next message of a subscription, or always if there is none.
async fn next_of(followed: &mut Option<(String, Subscriber)>) -> Option<Message> {
    match followed {
        Some((_, subscriber)) => subscriber.next().await,
        None => stream::pending().next().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_five_seconds() {
        let pauses: Vec<u128> = (0..12).map(|attempt| pause(attempt).as_millis()).collect();
        assert_eq!(pauses, [0, 0, 50, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
        assert_eq!(pause(usize::MAX), LONGEST);
    }

    #[tokio::test]
    async fn a_bus_that_is_printed_shows_no_credentials() {
        let url: NatsUrl = "nats://ada:secret@127.0.0.1:1".parse().expect("a URL");
        let bus = NatsBus::new(&url, "test");
        assert!(!format!("{bus:?}").contains("secret"));
    }
}
