use async_trait::async_trait;

use super::{RepoError, Visit, VisitFilter};

/// Stores visits: what visitors did in the deckies. They are kept until their topology is deleted.
#[async_trait]
pub trait VisitStore: Send + Sync {
    /// Stores visits, and then removes the oldest of each of their topologies until it has at most `keep`. Returns how many were
    /// new.
    ///
    /// A visit with the id of a stored one of the same topology is skipped, and so is one of an unknown topology.
    async fn put_visits(&self, visits: Vec<Visit>, keep: usize) -> Result<usize, RepoError>;

    /// Returns the visits that match, in order of time and id. An unknown topology has none.
    async fn visits(&self, filter: &VisitFilter) -> Result<Vec<Visit>, RepoError>;
}
