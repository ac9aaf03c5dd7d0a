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
    runtime::{Runtime, RuntimeInfo},
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
    fn of(
        engine: &'a Engine,
        (id, name): (TopologyId, TopologyName),
        runtime: Arc<dyn Runtime>,
        facts: Facts,
        lease: Right,
        cancel: &CancellationToken,
    ) -> Self {
        Self {
            engine,
            id,
            name,
            facts,
            lease,
            runtime,
            cancel: cancel.clone(),
        }
    }

    /// Checks that the runtime answers, then takes the lease.
    pub(in crate::engine) async fn begin(
        engine: &'a Engine,
        id: TopologyId,
        cancel: &CancellationToken,
    ) -> Result<Self, EngineError> {
        let row = engine.repo.get(id).await?;
        let (facts, name) = (engine.facts_for(&row).await?, row.name);
        // In this order: while this waits for a hanging runtime, others can still work on the topology.
        let lease = HeldLease::acquire(engine.repo.clone(), id, &engine.options.label).await?;
        let (store, generation) = (engine.repo.instance().await?, lease.generation());
        let runtime = engine.runtime_for(store, id, generation);
        let session = Self::of(engine, (id, name), runtime, facts, Right::Lease(lease), cancel);
        match session.refresh_agent().await {
            Ok(()) => Ok(session),
            Err(error) => session.end(Err(error)).await,
        }
    }

    /// Takes the lease without asking the runtime, for a topology whose hosts nobody can reach any more.
    pub(in crate::engine) async fn begin_without_runtime(
        engine: &'a Engine,
        id: TopologyId,
        cancel: &CancellationToken,
    ) -> Result<Self, EngineError> {
        let name = engine.repo.get(id).await?.name;
        let facts = Facts {
            instance: engine.repo.instance().await?,
            secret: engine.repo.secret().await?,
            info: RuntimeInfo::of_nothing(),
        };
        let lease = HeldLease::acquire(engine.repo.clone(), id, &engine.options.label).await?;
        let (runtime, lease) = (Arc::clone(&engine.runtime), Right::Lease(lease));
        Ok(Self::of(engine, (id, name), runtime, facts, lease, cancel))
    }

    /// Checks that the runtime answers and that no other process holds the lease. Used if the store cannot be written to, so that
    /// no lease can be taken.
    pub(in crate::engine) async fn begin_unwritten(
        engine: &'a Engine,
        id: TopologyId,
        cancel: &CancellationToken,
    ) -> Result<Self, EngineError> {
        let row = engine.repo.get(id).await?;
        let (facts, name) = (engine.facts_for(&row).await?, row.name);
        let lock = engine.repo.lock_unwritten().await?;
        refuse_held(engine.repo.as_ref(), id).await?;
        let lock = Right::Lock {
            _lock: lock,
            lost: CancellationToken::new(),
        };
        // Without a lease there is no generation, so agents do nothing.
        let runtime = Arc::clone(&engine.runtime);
        Ok(Self::of(engine, (id, name), runtime, facts, lock, cancel))
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
