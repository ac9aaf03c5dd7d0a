//! The store as a target.

use std::sync::Arc;

use decnet_topology::{Repo, Visit};
use serde::Serialize;

use super::{LogTargetError, batch::Accept};
use crate::logs::{LogContent, LogEntry};

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
    let mut text = json(entry);
    if let LogContent::Json { is_error, message } = &entry.content
        && serde_json::from_str::<LogEntry>(&text).is_err()
    {
        // The object is nested so deeply that it cannot be read back as a part of the entry.
        let content = LogContent::Text {
            is_error: *is_error,
            message: json(message),
        };
        text = json(&LogEntry {
            content,
            ..entry.clone()
        });
    }
    Visit::new(entry.topology, &entry.id, entry.at, entry.decky.clone(), text)
        .service(entry.service.clone())
        .source(entry.visitor())
}

fn json(value: &impl Serialize) -> String {
    // All keys are texts, so this does not fail.
    serde_json::to_string(value).unwrap_or_default()
}
