//! A server that does not answer.

use std::time::Duration;

use super::fault::{Failure, failure, silent};

/// How much longer than the timeout a server may take to answer. It waits for a lock for that long, and then says so.
const GRACE: Duration = Duration::from_secs(2);

/// Waits for the answer to a statement. If there is none in time, the connection counts as lost and must be closed: a host that
/// vanished, or a server that stopped, ends no connection.
pub(super) async fn answer<T>(
    waiting: impl Future<Output = Result<T, tokio_postgres::Error>>,
    timeout: Duration,
    server: &str,
) -> Result<T, Failure> {
    match tokio::time::timeout(timeout + GRACE, waiting).await {
        Ok(answer) => answer.map_err(|error| failure(error, server)),
        Err(_) => Err(silent(server)),
    }
}
