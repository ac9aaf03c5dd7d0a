use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_nats::{ConnectOptions, ServerAddr};
use backon::BackoffBuilder as _;
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use tokio::{sync::watch, task::JoinHandle};

use super::{
    follower::Follower,
    shared::Shared,
    url::{Login, NatsUrl},
};
use crate::{
    bus::{
        Bus, Connectivity, Pattern, Subscription,
        reconnect::{LONGEST, backoff},
    },
    event::Envelope,
};

/// How many received messages wait in the library. It drops newer ones.
const RECEIVED: usize = 8192;
/// The pause of a client that is no longer used: nothing ends an attempt of the library.
const FOREVER: Duration = Duration::from_hours(24 * 365);
/// How long one attempt to connect may take.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How often a silent server is asked for a sign of life. The library ends the connection at the third ping without an answer: a partition
/// is noticed within half a minute.
const PING_INTERVAL: Duration = Duration::from_secs(10);

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

impl NatsBus {
    /// Starts to connect. `name` describes this client to people. It must be called within a tokio runtime.
    pub fn new(url: &NatsUrl, name: impl Into<String>) -> Self {
        let shared = Arc::new(Shared::new());
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
        let subscription = self.shared.outlets.subscribe(patterns);
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
        self.shared.outlets.clear();
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
        .ping_interval(PING_INTERVAL)
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
    match attempt {
        ..=1 => Duration::ZERO,
        attempt => backoff().build().nth((attempt - 2).min(16)).unwrap_or(LONGEST),
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
    async fn a_silent_server_is_asked_every_ten_seconds() {
        let url: NatsUrl = "nats://127.0.0.1:1".parse().expect("a URL");
        let options = options(&Arc::new(Shared::new()), &url, "test".into()).await;
        let printed = format!("{options:?}");
        assert!(printed.contains("\"ping_interval\": 10s"), "{printed}");
    }

    #[tokio::test]
    async fn a_bus_that_is_printed_shows_no_credentials() {
        let url: NatsUrl = "nats://ada:secret@127.0.0.1:1".parse().expect("a URL");
        let bus = NatsBus::new(&url, "test");
        assert!(!format!("{bus:?}").contains("secret"));
    }
}
