use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_util::Stream;
use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    LogCursor, LogItem, LogOptions,
    collector::{Collector, Delivery, Mark},
};
use crate::engine::{Engine, EngineError};

/// How many items are queued for the reader. The logs of the containers wait for a slow reader.
const WAITING: usize = 256;

/// The lines of the logs of all containers: first those that exist, ordered by time, and then, if it follows, each new line as
/// it comes. Dropping it ends it.
///
/// It is a [`Stream`]. [`Engine::logs`](crate::Engine::logs) opens it.
#[derive(Debug)]
pub struct Logs {
    deliveries: mpsc::Receiver<Delivery>,
    cursor: LogCursor,
    task: JoinHandle<()>,
}

impl Engine {
    /// Opens the logs of all containers of the store's mazes.
    ///
    /// It must be called within a tokio runtime with time enabled.
    ///
    /// # Errors
    ///
    /// If the runtime or the store does not answer, or the topology of the options does not exist.
    pub async fn logs(&self, options: LogOptions) -> Result<Logs, EngineError> {
        let (sender, deliveries) = mpsc::channel(WAITING);
        let cursor = options.cursor.clone();
        let collector = Collector::new(self.clone(), options, sender).await?;
        Ok(Logs {
            deliveries,
            cursor,
            task: tokio::spawn(collector.run()),
        })
    }
}

impl Logs {
    /// Waits for the next item. Returns none after the last one. The future is cancel-safe.
    ///
    /// # Errors
    ///
    /// If the runtime or the store does not answer. If the logs are followed, a runtime that does not answer is
    /// [`LogItem::Disconnected`] instead.
    pub async fn next(&mut self) -> Option<Result<LogItem, EngineError>> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    /// Returns the cursor after the last item that was returned.
    pub const fn cursor(&self) -> &LogCursor {
        &self.cursor
    }

    /// Returns whether no item is ready at present.
    pub fn is_idle(&self) -> bool {
        self.deliveries.is_empty()
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<LogItem, EngineError>>> {
        loop {
            let Some(delivery) = ready!(self.deliveries.poll_recv(context)) else {
                return Poll::Ready(None);
            };
            match delivery.mark {
                Some(Mark::At(container, position)) => self.cursor.set(container, position),
                Some(Mark::Removed(container)) => self.cursor.forget(&container),
                None => {}
            }
            if let Some(item) = delivery.item {
                return Poll::Ready(Some(item));
            }
        }
    }
}

impl Stream for Logs {
    type Item = Result<LogItem, EngineError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll(context)
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        self.task.abort();
    }
}
