//! The subscription of a client.

use std::time::Duration;

use async_nats::{Client, Message, Subscriber};
use bytes::Bytes;
use decnet_topology::rng;
use futures_util::{StreamExt as _, stream};
use tokio::time::Instant;

use super::{recent::Recent, shared::Shared, subject};

/// How long an old subscription stays after the new one is active.
const OVERLAP: Duration = Duration::from_millis(100);

/// Follows what the local subscribers want.
///
/// It has one subscription. If another subject is wanted, the new subscription begins before the old one ends. To know when the server
/// has begun it, the follower sends itself a message, a probe: the server handles what a client sends in order. An event of another
/// client can still arrive a little later through the old subscription alone, so both stay for a moment.
pub(super) struct Follower<'a> {
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
    pub(super) fn new(shared: &'a Shared, client: &'a Client) -> Self {
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

    pub(super) async fn run(mut self) -> Result<(), String> {
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
