use std::time::{Duration, Instant};

/// A token bucket: a burst, then one token per period.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    most: u32,
    period: Duration,
    left: u32,
    /// The time up to which earned tokens were added.
    filled: Instant,
}

impl Bucket {
    /// Creates a full bucket.
    pub(crate) fn new(most: u32, period: Duration, now: Instant) -> Self {
        Self {
            most,
            period,
            left: most,
            filled: now,
        }
    }

    /// Returns whether there is a token, without taking it.
    pub(crate) fn has(&mut self, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.filled).as_nanos();
        let earned = u32::try_from(since / self.period.as_nanos().max(1)).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(earned).min(self.most);
        // Time towards the next token is kept, unless the bucket was full.
        self.filled = match self.period.checked_mul(earned) {
            Some(worth) if self.left < self.most => self.filled + worth,
            _ => now,
        };
        self.left > 0
    }

    /// Takes a token. Returns false if there is none.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let may = self.has(now);
        self.left -= u32::from(may);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_tokens_and_then_one_per_period() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut bucket = Bucket::new(2, Duration::from_secs(1), start);
        let taken: Vec<_> = [0, 0, 0, 900, 1100, 1200, 2000, 2100, 60_000, 60_000, 60_000]
            .map(|millis| bucket.take(at(millis)))
            .into();
        assert_eq!(
            taken,
            [true, true, false, false, true, false, true, false, true, true, false]
        );
    }
}
