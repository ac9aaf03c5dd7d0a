//! Items that are sent together.

use std::time::{Duration, Instant};

use super::{LogTargetError, LogWriterOptions};

/// The largest size of a batch in bytes. A larger item is a batch of its own.
const LARGEST: usize = 1 << 20;

/// The longest time that an item waits.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// Accepts batches of items.
pub(super) trait Accept<T> {
    /// Returns when all items are accepted.
    async fn accept(&self, items: &[T]) -> Result<(), LogTargetError>;
}

/// Something that accepts batches, and the items that wait for the next one.
#[derive(Debug)]
pub(super) struct Batches<A, T> {
    to: A,
    items: Vec<T>,
    bytes: usize,
    due: Option<Instant>,
    most: usize,
    wait: Duration,
}

impl<A: Accept<T>, T> Batches<A, T> {
    pub(super) const fn new(to: A, options: &LogWriterOptions) -> Self {
        Self {
            to,
            items: Vec::new(),
            bytes: 0,
            due: None,
            most: options.batch_lines,
            wait: options.batch_wait,
        }
    }

    /// Adds an item with a size, and sends what must be sent.
    pub(super) async fn put(&mut self, item: T, bytes: usize) -> Result<(), LogTargetError> {
        if self.bytes.saturating_add(bytes) > LARGEST {
            self.flush().await?;
        }
        self.items.push(item);
        self.bytes = self.bytes.saturating_add(bytes);
        let wait = self.wait.min(LONGEST_WAIT);
        self.due.get_or_insert_with(|| Instant::now() + wait);
        if self.items.len() >= self.most || self.bytes >= LARGEST {
            self.flush().await?;
        }
        Ok(())
    }

    /// Sends all items.
    pub(super) async fn flush(&mut self) -> Result<(), LogTargetError> {
        if !self.items.is_empty() {
            self.to.accept(&self.items).await?;
            self.items.clear();
            (self.bytes, self.due) = (0, None);
        }
        Ok(())
    }

    /// Returns when the items must be sent; none if there are none.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Notes the batches.
    #[derive(Default)]
    struct Noted(Mutex<Vec<String>>);

    impl Accept<&'static str> for Noted {
        async fn accept(&self, items: &[&'static str]) -> Result<(), LogTargetError> {
            self.0.lock().unwrap().push(items.concat());
            Ok(())
        }
    }

    #[tokio::test]
    async fn a_batch_is_sent_when_it_has_enough_items_or_bytes() {
        let options = LogWriterOptions::default().batch(3, Duration::MAX);
        let mut batches = Batches::new(Noted::default(), &options);
        for (item, bytes) in [
            ("a", 1),
            ("b", 1),
            ("c", 1),
            ("d", LARGEST - 1),
            ("e", 2),
            ("f", LARGEST),
            ("g", usize::MAX),
            ("h", 1),
        ] {
            batches.put(item, bytes).await.unwrap();
        }
        assert!(batches.due().is_some());
        batches.flush().await.unwrap();
        batches.flush().await.unwrap();
        assert!(batches.due().is_none());
        assert_eq!(batches.to.0.into_inner().unwrap(), ["abc", "d", "e", "f", "g", "h"]);
    }
}
