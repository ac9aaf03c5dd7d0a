//! Streams of events, as server-sent events: a snapshot, then every event. The id of an event is its number in the log of the store,
//! so a client that connects again continues after it.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use axum::response::{
    IntoResponse as _,
    sse::{Event, Sse},
};
use decnet_topology::{Sequence, TopologyId};
use futures_util::stream;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Interval, MissedTickBehavior, interval_at},
};

use super::{
    answer::{Answer, ok},
    api::Api,
    auth::scope::Principal,
    call::Call,
    problem::Problem,
    share::Share,
    ticket,
};
use crate::feed::{Feed, FeedItem, FeedNotice, TopologyNow};

/// How often an idle stream shows that it is alive. A browser does not see comments, so it is an event.
const PING: Duration = Duration::from_secs(15);

/// Follows all topologies.
pub(super) async fn all(api: Arc<Api>, call: Call) -> Answer {
    follow(api, None, call).await
}

/// Follows one topology.
pub(super) async fn one(api: Arc<Api>, call: Call) -> Answer {
    let id = call.id()?;
    api.engine.repo().get(id).await?;
    follow(api, Some(id), call).await
}

/// Returns the last event that the client got, by the header `Last-Event-ID`. Another text than a number is from another server; the
/// client gets a snapshot.
fn last_event(call: &Call) -> Option<Sequence> {
    call.headers.get("last-event-id")?.to_str().ok()?.parse().ok()
}

/// Issues a ticket for a stream.
pub(super) fn ticket(api: &Api, call: &Call) -> Answer {
    let ticket = api.tickets.issue(call.principal.clone())?;
    ok(&json!({ "ticket": ticket, "expires_in": ticket::LIFETIME.as_secs() }))
}

/// One open stream.
struct Following {
    api: Arc<Api>,
    only: Option<TopologyId>,
    feed: Feed,
    /// What is sent next.
    waiting: VecDeque<Event>,
    pings: Interval,
    /// Who follows, and when that was checked.
    principal: Principal,
    checked: tokio::time::Instant,
    /// Whether the stream ends after what is waiting.
    is_over: bool,
    _room: (OwnedSemaphorePermit, Share<String>),
}

async fn follow(api: Arc<Api>, only: Option<TopologyId>, call: Call) -> Answer {
    let (most, most_each) = (api.options.max_streams, api.options.max_streams_each);
    let too_many = |number| Problem::new("too_many_streams", format!("{number} streams are open"));
    let share = api.streams_each.take(call.principal.id.clone(), most_each);
    let share = share.ok_or_else(|| too_many(most_each))?;
    let permit = Arc::clone(&api.streams).try_acquire_owned();
    let permit = permit.map_err(|_| too_many(most))?;
    let (feed, snapshot) = open(&api, only, last_event(&call)).await?;
    let mut pings = interval_at(tokio::time::Instant::now() + PING, PING);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let following = Following {
        api,
        only,
        feed,
        waiting: snapshot.into_iter().collect(),
        pings,
        principal: call.principal,
        checked: tokio::time::Instant::now(),
        is_over: false,
        _room: (permit, share),
    };
    let events = stream::unfold(following, async |mut following| {
        let event = following.next().await?;
        Some((Ok::<_, Infallible>(event), following))
    });
    Ok(Sse::new(Box::pin(events)).into_response())
}

/// Subscribes, and then reads the state: no event is missed between the two. There is no state if the client has it, and all that
/// changed since follows.
async fn open(api: &Api, only: Option<TopologyId>, after: Option<Sequence>) -> Result<(Feed, Option<Event>), Problem> {
    let (repo, bus) = (Arc::clone(api.engine.repo()), Some(api.engine.bus()));
    let (topologies, feed) = if let Some(after) = after {
        Feed::resume(repo, bus, only, after).await?
    } else {
        let (topologies, feed) = Feed::open(repo, bus, only).await?;
        (Some(topologies), feed)
    };
    let snapshot = topologies.map(|topologies| snapshot(&topologies, feed.sequence()));
    Ok((feed, snapshot))
}

fn snapshot(topologies: &[TopologyNow], sequence: Sequence) -> Event {
    let notice = FeedNotice::snapshot(topologies, Timestamp::now()).sequence(sequence);
    event("snapshot", &notice).id(sequence.to_string())
}

/// Makes an event of the stream, without an id.
fn event(kind: &str, data: &impl Serialize) -> Event {
    let event = Event::default().event(kind);
    match serde_json::to_string(data) {
        Ok(text) => event.data(text),
        Err(_) => event.data("{}"),
    }
}

/// Makes the event that says whether something is connected.
fn connected(what: &str, is_connected: bool) -> Event {
    event(what, &json!({ "connected": is_connected }))
}

impl Following {
    /// Returns the next event; none at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.checked.elapsed() >= PING && !self.is_over {
                self.admit().await;
            }
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            if self.is_over {
                return None;
            }
            tokio::select! {
                biased;
                () = self.api.options.stop.cancelled() => return None,
                item = self.feed.next() => match item? {
                    Ok(item) => self.take(item).await,
                    Err(error) => self.end(&error.into()),
                },
                _ = self.pings.tick() => self.waiting.push_back(event("ping", &json!({ "ts": Timestamp::now() }))),
            }
        }
    }

    /// Ends the stream if its reader may not follow any more, for instance because the token was revoked.
    async fn admit(&mut self) {
        self.checked = tokio::time::Instant::now();
        // Every scope may read.
        match self.api.options.authenticator.renew(&self.principal).await {
            Ok(principal) => self.principal = principal,
            Err(error) => {
                self.waiting.clear();
                self.end(&error.into());
            }
        }
    }

    /// Queues what an item of the feed says.
    async fn take(&mut self, item: FeedItem) {
        match item {
            FeedItem::Event {
                envelope,
                name,
                sequence,
            } => {
                let mut data = json!(envelope);
                data["maze"] = json!(name);
                if let Some(sequence) = sequence {
                    data["seq"] = json!(sequence);
                }
                let mut event = event(data["type"].as_str().unwrap_or("message"), &data);
                if let Some(sequence) = sequence {
                    event = event.id(sequence.to_string());
                }
                self.waiting.push_back(event);
            }
            FeedItem::Lagged(lost) => {
                self.waiting
                    .push_back(event("lagged", &FeedNotice::lagged(lost, Timestamp::now())));
                // What was lost is not known, so the client gets the whole state.
                match open(&self.api, self.only, None).await {
                    Ok((feed, snapshot)) => {
                        self.feed = feed;
                        self.waiting.extend(snapshot);
                    }
                    Err(problem) => self.end(&problem),
                }
            }
            FeedItem::BusLost => self.waiting.push_back(connected("bus", false)),
            FeedItem::BusFound => self.waiting.push_back(connected("bus", true)),
            FeedItem::StoreLost(_) => self.waiting.push_back(connected("database", false)),
            FeedItem::StoreFound => self.waiting.push_back(connected("database", true)),
        }
    }

    /// Ends the stream with the reason. In browsers, `error` is the name of an event of the connection itself.
    fn end(&mut self, problem: &Problem) {
        self.waiting.push_back(event("problem", &problem.to_value()));
        self.is_over = true;
    }
}
