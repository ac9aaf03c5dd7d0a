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
    /// The largest number of operations at the same time. The default is 64.
    pub max_operations: usize,
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
            max_operations: 64,
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

    /// Sets the largest number of operations at the same time.
    pub fn max_operations(mut self, operations: usize) -> Self {
        self.max_operations = operations;
        self
    }
}
