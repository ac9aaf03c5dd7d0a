//! The store as a target.

use std::sync::Arc;

use decnet_topology::{Repo, Visit};

use super::{LogTargetError, batch::Accept};
use crate::logs::LogEntry;

/// A store that keeps visits.
#[derive(Debug)]
pub(super) struct Archive {
    pub(super) repo: Arc<dyn Repo>,
    /// How many visits of each topology are kept.
    pub(super) keep: usize,
}

impl Accept<Visit> for Archive {
    async fn accept(&self, visits: &[Visit]) -> Result<(), LogTargetError> {
        self.repo.put_visits(visits.to_vec(), self.keep).await?;
        Ok(())
    }
}

/// Returns an entry as the store keeps it.
pub(super) fn visit(entry: &LogEntry) -> Visit {
    // The entry has text keys, so this does not fail.
    let text = serde_json::to_string(entry).unwrap_or_default();
    Visit::new(entry.topology, &entry.id, entry.at, entry.decky.clone(), text)
        .service(entry.service.clone())
        .source(entry.visitor())
}
