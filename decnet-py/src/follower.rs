//! Something open that is read item by item: the event feed, the logs.

use std::{sync::Arc, time::Duration};

use tokio::sync::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::operation::pause;

/// A stream whose `next` is cancel-safe.
pub(crate) trait Follow: Send + 'static {
    type Item: Send + 'static;
    type Error: Send + 'static;

    /// Waits for the next item. Returns none after the last one.
    fn next(&mut self) -> impl Future<Output = Option<Result<Self::Item, Self::Error>>> + Send;
}

/// An open stream. It is dropped when its engine is closed.
pub(crate) struct Follower<T> {
    stream: Arc<Mutex<Option<T>>>,
    closing: CancellationToken,
    timeout: Option<Duration>,
    /// Ends the task that waits for the end of the engine.
    _unwatch: DropGuard,
}

impl<T: Follow> Follower<T> {
    /// Follows a stream until `closing` is cancelled. It must be called on a thread of the runtime.
    pub(crate) fn new(stream: T, closing: CancellationToken, timeout: Option<Duration>) -> Self {
        let stream = Arc::new(Mutex::new(Some(stream)));
        let (closed, weak) = (closing.clone(), Arc::downgrade(&stream));
        let dropped = CancellationToken::new();
        let unwatch = dropped.clone().drop_guard();
        tokio::spawn(async move {
            if dropped.run_until_cancelled(closed.cancelled()).await.is_none() {
                return;
            }
            if let Some(stream) = weak.upgrade() {
                stream.lock().await.take();
            }
        });
        Self {
            stream,
            closing,
            timeout,
            _unwatch: unwatch,
        }
    }

    /// Returns the wait for the next item. There is none after the last one, after the timeout, and when the engine is closed.
    pub(crate) fn next(&self) -> impl Future<Output = Result<Option<T::Item>, T::Error>> + Send + 'static {
        let (stream, closing, timeout) = (Arc::clone(&self.stream), self.closing.clone(), self.timeout);
        async move {
            let mut stream = stream.lock().await;
            let Some(stream) = stream.as_mut() else {
                return Ok(None);
            };
            tokio::select! {
                biased;
                item = stream.next() => item.transpose(),
                () = closing.cancelled() => Ok(None),
                () = pause(timeout) => Ok(None),
            }
        }
    }
}
