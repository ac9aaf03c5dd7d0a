//! Work that blocks a thread.

use crate::repo::RepoError;

/// Runs work on a blocking thread of tokio. A panic continues in the caller.
pub(super) async fn on_blocking_thread<T, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, RepoError>
where
    T: Send + 'static,
    E: Into<RepoError> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome.map_err(Into::into),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => Err(RepoError::Medium { source: error.into() }),
        },
    }
}
