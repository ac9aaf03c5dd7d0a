use std::{collections::VecDeque, sync::Arc};

use decnet_topology::{Repo, RepoError, Visit, VisitFilter};

use super::{LogEntry, LogItem, LogOptions, Muted, muted};
use crate::engine::{Engine, EngineError};

/// How many visits are read at once.
const PAGE: usize = 500;

/// The visits that a [`LogWriter`](crate::LogWriter) has stored, oldest first. Their containers need not exist.
#[derive(Debug)]
pub struct StoredLogs {
    repo: Arc<dyn Repo>,
    filter: VisitFilter,
    muted: Vec<Muted>,
    page: VecDeque<Visit>,
    is_last: bool,
}

impl Engine {
    /// Opens the stored visits that the options select. Nothing is followed, and the cursor is ignored.
    ///
    /// # Errors
    ///
    /// If the topology of the options does not exist, or the store does not answer.
    pub async fn stored_logs(&self, options: LogOptions) -> Result<StoredLogs, EngineError> {
        if let Some(id) = options.topology {
            self.repo().get(id).await?;
        }
        let filter = VisitFilter::default()
            .topology(options.topology)
            .decky(options.decky)
            .service(options.service)
            .since(options.since)
            .limit(PAGE);
        Ok(StoredLogs {
            repo: Arc::clone(self.repo()),
            filter,
            muted: options.muted,
            page: VecDeque::new(),
            is_last: false,
        })
    }
}

impl StoredLogs {
    /// Returns the next entry; none after the last one.
    ///
    /// # Errors
    ///
    /// If the store does not answer, or a visit is damaged ([`RepoError::Corrupt`]). The next call continues after that visit.
    pub async fn next(&mut self) -> Option<Result<LogItem, EngineError>> {
        loop {
            let visit = match self.visit().await.transpose()? {
                Ok(visit) => visit,
                Err(error) => return Some(Err(error.into())),
            };
            match serde_json::from_str::<LogEntry>(&visit.entry) {
                Ok(entry) if muted::is_muted(&self.muted, &entry) => {}
                Ok(entry) => return Some(Ok(LogItem::Entry(entry))),
                Err(error) => {
                    let what = format!("visit `{}`: {error}", visit.id);
                    return Some(Err(RepoError::Corrupt { what }.into()));
                }
            }
        }
    }

    async fn visit(&mut self) -> Result<Option<Visit>, RepoError> {
        if self.page.is_empty() && !self.is_last {
            let page = self.repo.visits(&self.filter).await?;
            self.is_last = page.len() < PAGE;
            self.filter = self.filter.clone().after(page.last());
            self.page = page.into();
        }
        Ok(self.page.pop_front())
    }
}
