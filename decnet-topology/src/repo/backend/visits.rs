//! Visits.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::Backend;
use crate::repo::{RepoError, Visit, VisitFilter, VisitStore};

#[async_trait]
impl<B: Backend> VisitStore for B {
    async fn put_visits(&self, visits: Vec<Visit>, keep: usize) -> Result<usize, RepoError> {
        if visits.is_empty() {
            return Ok(0);
        }
        self.write(visits, move |tables, visits| {
            let mut new = 0;
            let mut topologies = BTreeSet::new();
            for visit in &visits {
                match tables.insert_visit(visit) {
                    Err(RepoError::NotFound { .. }) => {}
                    inserted => {
                        new += usize::from(inserted?);
                        topologies.insert(visit.topology);
                    }
                }
            }
            for topology in topologies {
                tables.trim_visits(topology, keep)?;
            }
            Ok(new)
        })
        .await
    }

    async fn visits(&self, filter: &VisitFilter) -> Result<Vec<Visit>, RepoError> {
        let filter = filter.clone();
        self.read(move |tables| tables.visits(&filter)).await
    }
}
