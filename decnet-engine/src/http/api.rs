//! What all requests share.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use super::{
    counters::Counters, idempotency::Answers, jobs::Jobs, options::HttpOptions, printed::Printed,
    request_ids::RequestIds, share::Shares, ticket::Tickets,
};
use crate::engine::Engine;

/// How much memory large bodies have together, in MiB.
const LARGE_BODIES: usize = 512;

/// What all requests share.
#[derive(Debug)]
pub(super) struct Api {
    /// The engine.
    pub(super) engine: Engine,
    /// The options.
    pub(super) options: HttpOptions,
    /// The long operations.
    pub(super) jobs: Jobs,
    /// The answers to requests with an idempotency key.
    pub(super) answers: Answers,
    /// The topologies that were read last.
    pub(super) printed: Printed,
    /// The tickets for streams.
    pub(super) tickets: Tickets,
    /// Gives ids to requests.
    pub(super) request_ids: RequestIds,
    /// The counters.
    pub(super) counters: Counters,
    /// The description of all routes.
    pub(super) openapi: Value,
    /// Permits for event streams.
    pub(super) streams: Arc<Semaphore>,
    /// The streams of each principal.
    pub(super) streams_each: Shares<String>,
    /// Permits for changes.
    pub(super) changes: Arc<Semaphore>,
    /// The changes that were begun. They do not end with their requests.
    pub(super) changing: TaskTracker,
    /// Permits for large bodies: one for each MiB after the first.
    pub(super) large_bodies: Arc<Semaphore>,
}

impl Api {
    /// Creates it.
    pub(super) fn new(engine: Engine, options: HttpOptions, openapi: Value) -> Self {
        Self {
            jobs: Jobs::new(options.stop.clone(), options.max_operations),
            answers: Answers::default(),
            printed: Printed::default(),
            tickets: Tickets::default(),
            request_ids: RequestIds::default(),
            counters: Counters::default(),
            streams: Arc::new(Semaphore::new(options.max_streams)),
            streams_each: Shares::default(),
            changes: Arc::new(Semaphore::new(options.max_changes)),
            changing: TaskTracker::new(),
            large_bodies: Arc::new(Semaphore::new(LARGE_BODIES)),
            openapi,
            engine,
            options,
        }
    }

    /// Waits for the changes that were begun and for the operations. No change begins any more.
    pub(super) async fn finished(&self) {
        self.changing.close();
        self.changing.wait().await;
        self.jobs.finished().await;
    }
}
