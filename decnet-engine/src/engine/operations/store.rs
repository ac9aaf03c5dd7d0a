use std::time::Duration;

use backon::ConstantBuilder;
use decnet_topology::{Catalog, Draft, NewTopology, RepoError, ResolveError, StoredTopology, Topology};
use jiff::Timestamp;

use crate::{
    engine::{Engine, EngineError},
    event::{Envelope, Event},
};

/// How often an operation chooses subnets again if other processes claim them first. Each lost race means that another process
/// succeeded, so this many processes can run at the same time.
const ATTEMPTS: usize = 64;

/// Repeats an operation if another process claimed its free subnets meanwhile.
pub(super) fn attempts() -> ConstantBuilder {
    ConstantBuilder::default()
        .with_delay(Duration::ZERO)
        .with_max_times(ATTEMPTS - 1)
}

/// Returns whether an operation failed because another topology claimed a subnet.
pub(super) fn is_claimed(error: &EngineError) -> bool {
    matches!(error, EngineError::Repo(RepoError::SubnetClaimed { .. }))
}

/// Returns whether a LAN of a draft has no subnet yet.
pub(super) fn is_open(draft: &Draft) -> bool {
    draft.lans.iter().any(|lan| lan.subnet.is_none())
}

impl Engine {
    /// Stores a topology and publishes the event.
    pub(in crate::engine) async fn store_new(&self, new: NewTopology) -> Result<StoredTopology, RepoError> {
        let at = Timestamp::now();
        let stored = self.repo.create(new, at).await?;
        let event = Event::Status {
            topology: stored.row.id,
            from: None,
            to: stored.row.status,
            reason: Some("created".into()),
        };
        self.publish(Envelope::new(event, at));
        Ok(stored)
    }

    /// Completes a draft with free subnets and addresses. The subnets of the topology `known` count as its own.
    pub(super) async fn resolve(
        &self,
        draft: &Draft,
        catalog: &Catalog,
        known: Option<&StoredTopology>,
    ) -> Result<Topology, EngineError> {
        let taken = if is_open(draft) {
            self.taken_subnets(known.map(|known| known.row.id)).await?
        } else {
            Vec::new()
        };
        let resolved = draft.resolve(catalog, &decnet_topology::SubnetPool::without(taken));
        resolved.map_err(|error| match error {
            ResolveError::Unsound { report } => decnet_topology::InvalidTopology { report }.into(),
            error => EngineError::Resolve(error),
        })
    }
}
