use std::{sync::Arc, time::Duration};

use axum::http::HeaderValue;
use tokio_util::sync::CancellationToken;

use super::auth::Authenticator;

/// The options of the HTTP API.
#[derive(Debug, Clone)]
#[must_use]
#[non_exhaustive]
pub struct HttpOptions {
    /// Decides who sends a request.
    pub authenticator: Arc<dyn Authenticator>,
    /// The web origins whose pages may use the API, like `https://map.example`. None by default.
    pub origins: Vec<HeaderValue>,
    /// Ends streams and interrupts operations when it is cancelled.
    pub stop: CancellationToken,
    /// How long [`serve`](crate::http::serve) waits for open requests when it stops. The default is ten seconds.
    pub grace: Duration,
    /// The largest number of event streams at the same time. The default is 1024.
    pub max_streams: usize,
    /// The largest number of event streams of one principal at the same time. The default is 64.
    pub max_streams_each: usize,
    /// The largest number of operations at the same time. The default is 64.
    pub max_operations: usize,
    /// The largest number of changes at the same time, with those that wait for a result. The default is 256.
    pub max_changes: usize,
    /// The largest number of connections from one address, or one IPv6 network of 64 bits, to [`serve`](crate::http::serve). The
    /// default is 64. Loopback addresses have no limit.
    pub max_connections_each: usize,
    /// How long [`serve`](crate::http::serve) waits for a client that does not read its answer. The default is 30 seconds.
    pub write_timeout: Duration,
}

impl HttpOptions {
    /// Returns the default options.
    pub fn new(authenticator: Arc<dyn Authenticator>) -> Self {
        Self {
            authenticator,
            origins: Vec::new(),
            stop: CancellationToken::new(),
            grace: Duration::from_secs(10),
            max_streams: 1024,
            max_streams_each: 64,
            max_operations: 64,
            max_changes: 256,
            max_connections_each: 64,
            write_timeout: Duration::from_secs(30),
        }
    }

    /// Lets the pages of web origins use the API.
    pub fn origins(mut self, origins: impl IntoIterator<Item = HeaderValue>) -> Self {
        self.origins.extend(origins);
        self
    }

    /// Sets the token that ends streams and interrupts operations.
    pub fn stop(mut self, stop: CancellationToken) -> Self {
        self.stop = stop;
        self
    }

    /// Sets how long a server waits for open requests when it stops.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Sets the largest number of event streams at the same time.
    pub fn max_streams(mut self, streams: usize) -> Self {
        self.max_streams = streams;
        self
    }

    /// Sets the largest number of event streams of one principal at the same time.
    pub fn max_streams_each(mut self, streams: usize) -> Self {
        self.max_streams_each = streams;
        self
    }

    /// Sets the largest number of changes at the same time.
    pub fn max_changes(mut self, changes: usize) -> Self {
        self.max_changes = changes;
        self
    }

    /// Sets the largest number of connections from one address.
    pub fn max_connections_each(mut self, connections: usize) -> Self {
        self.max_connections_each = connections;
        self
    }

    /// Sets how long a server waits for a client that does not read its answer.
    pub fn write_timeout(mut self, timeout: Duration) -> Self {
        self.write_timeout = timeout;
        self
    }

    /// Sets the largest number of operations at the same time.
    pub fn max_operations(mut self, operations: usize) -> Self {
        self.max_operations = operations;
        self
    }
}
