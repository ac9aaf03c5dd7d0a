use std::time::Duration;

use backon::ExponentialBuilder;

/// Returns the pauses before an agent tries again what failed. They grow from a second to between half
/// a minute and a minute, and do not end.
pub(super) fn backoff() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_secs(1))
        .with_max_delay(Duration::from_secs(30))
        .with_jitter()
        .without_max_times()
}
