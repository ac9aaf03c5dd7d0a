//! What the buses on a server have in common: what waits while there is no connection, and the pauses between attempts.

use std::time::Duration;

use backon::ExponentialBuilder;

use super::backlog::Bound;

/// How many events are queued for publishing.
pub(super) const OUTGOING: Bound = Bound {
    items: 4096,
    bytes: usize::MAX,
};

/// The first and the longest pause between two attempts to connect.
const SHORTEST: Duration = Duration::from_millis(50);
pub(super) const LONGEST: Duration = Duration::from_secs(5);

/// Returns the pauses between attempts to connect. They never end.
pub(super) fn backoff() -> ExponentialBuilder {
    ExponentialBuilder::new()
        .with_min_delay(SHORTEST)
        .with_max_delay(LONGEST)
        .without_max_times()
}
