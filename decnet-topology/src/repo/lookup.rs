use super::{MutationFilter, MutationQueue, MutationRow, RepoError, SubnetClaim, TopologyFilter, TopologyStore};
use crate::{
    id::{TopologyId, short_id},
    model::TopologyRow,
    name::TopologyName,
    status::Status,
};

/// Returns the name of a topology for people; of one that cannot be read, the start of its id.
pub async fn name_of(store: &dyn TopologyStore, id: TopologyId) -> String {
    store
        .get(id)
        .await
        .map_or_else(|_| short_id(id), |row| row.name.to_string())
}

/// Finds the topology with a name that is not torn down, if there is one.
pub async fn find_live_topology(
    store: &dyn TopologyStore,
    name: &TopologyName,
) -> Result<Option<TopologyRow>, RepoError> {
    let rows = store.list(&TopologyFilter::default()).await?.rows;
    let mut rows = rows.into_iter();
    Ok(rows.find(|row| row.status != Status::TornDown && row.name == *name))
}

/// Returns the subnets that are claimed, except those of the topology with a name: it may keep its own.
pub async fn claims_except(store: &dyn TopologyStore, name: &str) -> Result<Vec<SubnetClaim>, RepoError> {
    let own = match TopologyName::new(name) {
        Ok(name) => find_live_topology(store, &name).await?,
        Err(_) => None,
    };
    store.claims(own.map(|row| row.id)).await
}

/// Returns the last mutations of a topology, or of all with `None`, oldest first.
pub async fn last_mutations(
    queue: &dyn MutationQueue,
    topology: impl Into<Option<TopologyId>>,
    most: usize,
) -> Result<Vec<MutationRow>, RepoError> {
    let filter = MutationFilter::default().topology(topology).limit(0);
    let total = queue.mutations(&filter).await?.total;
    let last = filter.limit(most).offset(total.saturating_sub(most));
    Ok(queue.mutations(&last).await?.rows)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{
        model::Topology,
        repo::{MemoryRepo, NewTopology},
    };

    #[tokio::test]
    async fn a_complete_id_wins_over_a_name() {
        let repo = MemoryRepo::new();
        let store = async |name: &str, subnet: &str| {
            let topology = Topology::builder().dmz("dmz", subnet).build().expect("a topology");
            let new = NewTopology::new(name.parse().expect("a name"), topology);
            repo.create(new, Timestamp::UNIX_EPOCH).await.expect("stored").row
        };
        let first = store("corp", "10.0.0.0/24").await;
        store(&first.id.to_string(), "10.0.1.0/24").await;
        let found = repo.find(&first.id.to_string()).await.expect("found");
        assert_eq!(found.id, first.id);
        let live = find_live_topology(&repo, &"CORP".parse().expect("a name"))
            .await
            .expect("asked");
        assert_eq!(live.map(|row| row.id), Some(first.id));
        let others = claims_except(&repo, "corp").await.expect("asked");
        assert!(
            others.len() == 1 && others[0].subnet.to_string() == "10.0.1.0/24",
            "{others:?}"
        );
        assert_eq!(claims_except(&repo, "not a name").await.expect("asked").len(), 2);
    }
}
