//! What all requests share.

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::Semaphore;

use super::{counters::Counters, idempotency::Answers, jobs::Jobs, options::HttpOptions, ticket::Tickets};
use crate::engine::Engine;

/// How many large bodies are read at the same time.
const LARGE_BODIES: usize = 8;

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
    /// The tickets for streams.
    pub(super) tickets: Tickets,
    /// The counters.
    pub(super) counters: Counters,
    /// The description of all routes.
    pub(super) openapi: Value,
    /// Permits for event streams.
    pub(super) streams: Arc<Semaphore>,
    /// Permits to read large bodies.
    pub(super) large_bodies: Semaphore,
}

impl Api {
    /// Creates it.
    pub(super) fn new(engine: Engine, options: HttpOptions, openapi: Value) -> Self {
        Self {
            jobs: Jobs::new(options.stop.clone(), options.max_operations),
            answers: Answers::default(),
            tickets: Tickets::default(),
            counters: Counters::default(),
            streams: Arc::new(Semaphore::new(options.max_streams)),
            large_bodies: Semaphore::new(LARGE_BODIES),
            openapi,
            engine,
            options,
        }
    }
}
