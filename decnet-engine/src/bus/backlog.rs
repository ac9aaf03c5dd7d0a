use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use futures_util::task::AtomicWaker;

/// The capacity of a backlog.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    /// The number of items.
    pub(super) items: usize,
    /// The total size of the items in bytes. A single item may be larger.
    pub(super) bytes: usize,
}

/// The next entry of a backlog.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<T> {
    /// The oldest item.
    Item(T),
    /// The number of items that were dropped here.
    Lost(u64),
}

/// The bounded queue of one reader. A full queue drops its oldest items, and the reader gets their number instead.
pub(super) struct Backlog<T> {
    bound: Bound,
    state: Mutex<State<T>>,
    reader: AtomicWaker,
}

struct State<T> {
    waiting: VecDeque<(T, usize)>,
    bytes: usize,
    lost: u64,
    closed: bool,
}

impl<T> State<T> {
    fn take(&mut self) -> Option<Next<T>> {
        match mem::take(&mut self.lost) {
            0 => {
                let (item, bytes) = self.waiting.pop_front()?;
                self.bytes -= bytes;
                Some(Next::Item(item))
            }
            lost => Some(Next::Lost(lost)),
        }
    }
}

impl<T> Backlog<T> {
    pub(super) fn new(bound: Bound) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            bytes: 0,
            lost: 0,
            closed: false,
        };
        Self {
            bound,
            state: Mutex::new(state),
            reader: AtomicWaker::new(),
        }
    }

    /// Nothing panics under the lock, so a poisoned lock is safe to use.
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an item at the end.
    pub(super) fn push(&self, item: T, bytes: usize) {
        let mut state = self.state();
        if state.closed {
            return;
        }
        state.waiting.push_back((item, bytes));
        state.bytes += bytes;
        while state.waiting.len() > self.bound.items || state.bytes > self.bound.bytes && state.waiting.len() > 1 {
            let Some((_, bytes)) = state.waiting.pop_front() else {
                break;
            };
            state.bytes -= bytes;
            state.lost += 1;
        }
        drop(state);
        self.reader.wake();
    }

    /// Adds to the number of lost items.
    pub(super) fn lose(&self, count: u64) {
        self.state().lost += count;
        self.reader.wake();
    }

    /// Rejects further items. The reader can still take the remaining ones.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.reader.wake();
    }

    /// Takes the next entry, if there is one.
    pub(super) fn try_next(&self) -> Option<Next<T>> {
        self.state().take()
    }

    /// Waits for the next entry. Returns none when the backlog is closed and empty. There is one reader. The future is
    /// cancel-safe.
    pub(super) async fn next(&self) -> Option<Next<T>> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// Polls for the next entry, as [`next`](Self::next) does.
    pub(super) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Option<Next<T>>> {
        // Register first, so that an item that arrives after the check wakes the reader.
        self.reader.register(context.waker());
        let mut state = self.state();
        match state.take() {
            Some(next) => Poll::Ready(Some(next)),
            None if state.closed => Poll::Ready(None),
            None => Poll::Pending,
        }
    }

    /// Returns whether the backlog has neither items nor losses to report.
    pub(super) fn is_empty(&self) -> bool {
        let state = self.state();
        state.waiting.is_empty() && state.lost == 0
    }
}

impl<T> fmt::Debug for Backlog<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let State {
            waiting, bytes, lost, ..
        } = &*self.state();
        let waiting = waiting.len();
        write!(f, "Backlog {{ waiting: {waiting}, bytes: {bytes}, lost: {lost} }}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(backlog: &Backlog<u32>) -> Vec<Next<u32>> {
        std::iter::from_fn(|| backlog.try_next()).collect()
    }

    #[test]
    fn a_full_backlog_drops_the_oldest_items_and_reports_their_number() {
        let backlog = Backlog::new(Bound { items: 2, bytes: 100 });
        for item in 0..5 {
            backlog.push(item, 1);
        }
        assert_eq!(taken(&backlog), [Next::Lost(3), Next::Item(3), Next::Item(4)]);
        backlog.push(5, 1);
        assert_eq!(taken(&backlog), [Next::Item(5)]);
    }

    #[test]
    fn the_bytes_are_bounded_but_a_single_item_always_fits() {
        let backlog = Backlog::new(Bound { items: 9, bytes: 10 });
        backlog.push(0, 6);
        backlog.push(1, 6);
        assert_eq!(taken(&backlog), [Next::Lost(1), Next::Item(1)]);
        backlog.push(2, 50);
        assert_eq!(taken(&backlog), [Next::Item(2)]);
    }

    #[tokio::test]
    async fn a_closed_backlog_returns_its_items_and_then_ends() {
        let backlog = Backlog::new(Bound { items: 2, bytes: 10 });
        backlog.push(0, 1);
        backlog.close();
        backlog.push(1, 1);
        assert_eq!(backlog.next().await, Some(Next::Item(0)));
        assert_eq!(backlog.next().await, None);
    }
}
