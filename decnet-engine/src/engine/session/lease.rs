//! One operation on one topology, under its lease.

use std::sync::Arc;

use decnet_topology::{InstanceId, LeaseToken, StoredTopology, TopologyId, TopologyName};
use tokio_util::sync::CancellationToken;

use super::facts::Facts;
use crate::{
    engine::{Engine, EngineError},
    fence::Fence,
    lease::{HeldLease, refuse_held},
    observe::Observed,
    runtime::Runtime,
};

/// The right of an operation to change a topology.
pub(in crate::engine) enum Right {
    /// Its lease.
    Lease(HeldLease),
    /// A lock instead of the lease, if the store cannot be written to. Held until it is dropped.
    Lock {
        _lock: Box<dyn Send + Sync>,
        lost: CancellationToken,
    },
}

impl Right {
    /// Returns the token that fires when the right is lost.
    pub(in crate::engine) fn lost(&self) -> &CancellationToken {
        match self {
            Self::Lease(lease) => lease.lost(),
            Self::Lock { lost, .. } => lost,
        }
    }

    pub(in crate::engine) fn token(&self) -> Option<LeaseToken> {
        match self {
            Self::Lease(lease) => Some(lease.token()),
            Self::Lock { .. } => None,
        }
    }
}

/// One operation on one topology: its lease, the runtime's facts, and the steps that all operations share.
pub(in crate::engine) struct Session<'a> {
    pub(in crate::engine) engine: &'a Engine,
    pub(in crate::engine) id: TopologyId,
    /// The name of the topology: when the lease is lost, its row may be deleted.
    pub(in crate::engine) name: TopologyName,
    pub(in crate::engine) facts: Facts,
    pub(in crate::engine) lease: Right,
    /// The runtime, for the holder of the lease.
    pub(in crate::engine) runtime: Arc<dyn Runtime>,
    pub(in crate::engine) cancel: CancellationToken,
}

impl<'a> Session<'a> {
    /// Checks that the runtime answers, then takes the lease.
    pub(in crate::engine) async fn begin(
        engine: &'a Engine,
        id: TopologyId,
        cancel: &CancellationToken,
    ) -> Result<Self, EngineError> {
        let facts = engine.facts().await?;
        let name = engine.repo.get(id).await?.name;
        // In this order: while this waits for a hanging runtime, others can still work on the topology.
        let lease = HeldLease::acquire(engine.repo.clone(), id, &engine.options.label).await?;
        let (store, generation) = (engine.repo.instance().await?, lease.generation());
        let session = Self {
            engine,
            id,
            name,
            runtime: engine.runtime_for(store, id, generation),
            facts,
            lease: Right::Lease(lease),
            cancel: cancel.clone(),
        };
        match session.refresh_agent().await {
            Ok(()) => Ok(session),
            Err(error) => session.end(Err(error)).await,
        }
    }

    /// Checks that the runtime answers and that no other process holds the lease. Used if the store cannot be written to, so that
    /// no lease can be taken.
    pub(in crate::engine) async fn begin_unwritten(
        engine: &'a Engine,
        id: TopologyId,
        cancel: &CancellationToken,
    ) -> Result<Self, EngineError> {
        let facts = engine.facts().await?;
        let name = engine.repo.get(id).await?.name;
        let lock = engine.repo.lock_unwritten().await?;
        refuse_held(engine.repo.as_ref(), id).await?;
        Ok(Self {
            engine,
            id,
            name,
            // Without a lease there is no generation, so agents do nothing.
            runtime: Arc::clone(&engine.runtime),
            facts,
            lease: Right::Lock {
                _lock: lock,
                lost: CancellationToken::new(),
            },
            cancel: cancel.clone(),
        })
    }

    /// Releases the lease.
    pub(in crate::engine) async fn end<T>(self, result: Result<T, EngineError>) -> Result<T, EngineError> {
        if let Right::Lease(lease) = self.lease {
            lease.release().await;
        }
        result
    }

    pub(in crate::engine) async fn load(&self) -> Result<StoredTopology, EngineError> {
        Ok(self.engine.repo.load(self.id).await?)
    }

    pub(in crate::engine) async fn observe(&self) -> Result<Observed, EngineError> {
        self.engine.observe(&self.facts, self.id).await
    }
}

impl Engine {
    /// Returns the runtime for the holder of a lease. Agents then refuse the holders of older ones.
    pub(in crate::engine) fn runtime_for(
        &self,
        store: InstanceId,
        topology: TopologyId,
        generation: u64,
    ) -> Arc<dyn Runtime> {
        let fence = Fence {
            store,
            topology,
            generation,
        };
        let fenced = self.runtime.fenced(fence);
        fenced.unwrap_or_else(|| Arc::clone(&self.runtime))
    }

    /// Notes that an agent has seen a generation, so that the next lease has a higher one. Otherwise a store that was restored from an
    /// older copy could never work with the agent again.
    pub(in crate::engine) async fn catch_up(&self, seen: u64) {
        if let Err(error) = self.repo.next_generation(seen).await {
            tracing::warn!(%error, seen, "the generation of an agent could not be noted");
        }
    }
}
