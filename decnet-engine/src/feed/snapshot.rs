//! The current state of the store, with which a feed begins.

use std::collections::BTreeMap;

use decnet_topology::{
    MutationFilter, MutationRow, Repo, RepoError, Status, TopologyFilter, TopologyId, TopologyRow, shown::count,
};
use serde::{Serialize, Serializer};
use serde_json::json;

/// A topology in the snapshot of a feed.
///
/// It serializes as its row with a list `mutations`: the `id`, `mutation`, `state`, `actor` and `enqueued_at` of each.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct TopologyNow {
    /// Its row.
    #[serde(flatten)]
    pub row: TopologyRow,
    /// Its mutations that are not finished.
    #[serde(rename = "mutations", serialize_with = "serialize_unfinished")]
    pub unfinished: Vec<MutationRow>,
}

impl TopologyNow {
    /// Describes its status, its version and its queue in a few words for people.
    pub fn describe(&self) -> String {
        let waiting = match self.unfinished.len() {
            0 => String::new(),
            number => format!(", {}", count(number, "mutation waits", "mutations wait")),
        };
        format!("is {}, version {}{waiting}", self.row.status, self.row.version)
    }
}

/// Serializes mutations without the fields that only a finished one has.
fn serialize_unfinished<S: Serializer>(rows: &[MutationRow], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(rows.iter().map(|row| {
        json!({
            "id": row.id,
            "mutation": row.mutation,
            "state": row.state,
            "actor": row.actor,
            "enqueued_at": row.enqueued_at,
        })
    }))
}

/// Reads the rows of one topology, or of all. A deleted one has none.
pub(super) async fn rows(repo: &dyn Repo, only: Option<TopologyId>) -> Result<Vec<TopologyRow>, RepoError> {
    match only {
        None => Ok(repo.list(&TopologyFilter::default()).await?.rows),
        Some(id) => match repo.get(id).await {
            Err(RepoError::NotFound { .. }) => Ok(Vec::new()),
            found => Ok(vec![found?]),
        },
    }
}

/// Reads the unfinished mutations of rows. Torn-down topologies are skipped unless one was selected.
pub(super) async fn read(
    repo: &dyn Repo,
    only: Option<TopologyId>,
    rows: Vec<TopologyRow>,
) -> Result<Vec<TopologyNow>, RepoError> {
    let mut unfinished: BTreeMap<TopologyId, Vec<MutationRow>> = BTreeMap::new();
    match repo.mutations(&MutationFilter::unfinished(only)).await {
        // The topology was deleted meanwhile; its deletion is in the log.
        Err(RepoError::NotFound { .. }) => {}
        page => {
            for row in page?.rows {
                unfinished.entry(row.topology).or_default().push(row);
            }
        }
    }
    let shown = rows
        .into_iter()
        .filter(|row| row.status != Status::TornDown || only.is_some());
    let now = shown.map(|row| TopologyNow {
        unfinished: unfinished.remove(&row.id).unwrap_or_default(),
        row,
    });
    Ok(now.collect())
}
