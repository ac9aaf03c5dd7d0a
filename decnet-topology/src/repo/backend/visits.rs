//! Visits.

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::{Backend, Tables};
use crate::{
    id::TopologyId,
    repo::{RepoError, Visit, VisitFilter, VisitStore},
};

#[async_trait]
impl<B: Backend> VisitStore for B {
    async fn put_visits(&self, visits: Vec<Visit>, keep: usize) -> Result<usize, RepoError> {
        if visits.is_empty() {
            return Ok(0);
        }
        self.write(visits, move |tables, visits| {
            // All transactions come to the topologies in the same order, so none waits for another that waits for it.
            let mut by_topology = BTreeMap::<TopologyId, Vec<Visit>>::new();
            for visit in visits {
                by_topology.entry(visit.topology).or_default().push(visit);
            }
            let mut new = 0;
            for (topology, visits) in by_topology {
                match put(tables, &visits) {
                    Err(RepoError::NotFound { .. }) => {}
                    inserted => {
                        new += inserted?;
                        tables.trim_visits(topology, keep)?;
                    }
                }
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

/// Adds the visits of one topology, and returns how many are new.
fn put(tables: &mut dyn Tables, visits: &[Visit]) -> Result<usize, RepoError> {
    let mut new = 0;
    for visit in visits {
        new += usize::from(tables.insert_visit(visit)?);
    }
    Ok(new)
}
