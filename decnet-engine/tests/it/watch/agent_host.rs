//! An agent in this process: its network takes no time, so the clock can be paused. It applies pushes with an engine of its own.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard},
};

use async_trait::async_trait;
use decnet_engine::{
    AppliedTopology, CancellationToken, DeployOptions, Engine, EngineError, PushedStore, Replacement, RuntimeError,
    TopologyHost, TopologyPush,
};
use decnet_topology::{
    Catalog, MemoryRepo, NewTopology, Status, StoredTopology, SubnetPool, Syntax, TopologyFilter, TopologyId,
    canonical_hash, document,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::Instant;

/// The agent of a host, and what it is asked for.
#[derive(Debug)]
pub(super) struct AgentHost {
    engine: Engine,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Why it refuses everything.
    refuses: Option<RuntimeError>,
    /// Why it refuses pushes.
    refuses_pushes: Option<RuntimeError>,
    asked: BTreeSet<Instant>,
    pushes: Vec<Instant>,
}

impl AgentHost {
    /// Starts the agent with an empty store.
    pub(super) fn new(engine: impl FnOnce(Arc<MemoryRepo>) -> Engine) -> Self {
        Self {
            engine: engine(Arc::new(MemoryRepo::new())),
            inner: Mutex::default(),
        }
    }

    /// Makes it refuse all requests, or none.
    pub(super) fn refuse(&self, error: Option<RuntimeError>) {
        self.inner().refuses = error;
    }

    /// Makes it refuse all pushes, or none.
    pub(super) fn refuse_pushes(&self, error: Option<RuntimeError>) {
        self.inner().refuses_pushes = error;
    }

    /// Returns when it was asked what it has. Several questions at the same time count once.
    pub(super) fn asked(&self) -> Vec<Instant> {
        self.inner().asked.iter().copied().collect()
    }

    /// Returns when something was pushed.
    pub(super) fn pushes(&self) -> Vec<Instant> {
        self.inner().pushes.clone()
    }

    /// Tears down what it has, and forgets it, as if its host was installed again.
    pub(super) async fn lose(&self, id: TopologyId) {
        let gone = self.engine.teardown(id, &CancellationToken::new()).await;
        assert_eq!(gone.expect("torn down").row.status, Status::TornDown);
        self.engine.delete(id, None).await.expect("deleted");
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no thread panics while it holds the lock")
    }

    async fn stored(&self) -> Result<Option<StoredTopology>, EngineError> {
        let repo = self.engine.repo();
        match repo.list(&TopologyFilter::default()).await?.rows.pop() {
            Some(row) => Ok(Some(repo.load(row.id).await?)),
            None => Ok(None),
        }
    }

    async fn apply(&self, push: &TopologyPush) -> Result<usize, EngineError> {
        let draft = document::parse(&push.document, Syntax::Json).expect("a document");
        let (id, name) = (
            draft.header.id.expect("an id"),
            draft.header.name.parse().expect("a name"),
        );
        let topology = draft
            .resolve(&Catalog::builtin(), &SubnetPool::default())
            .expect("a topology");
        let cancel = CancellationToken::new();
        let done = if self.stored().await?.is_some() {
            self.engine.replace(id, Replacement::new(topology), &cancel).await?
        } else {
            let mut new = NewTopology::new(name, topology);
            new.id = Some(id);
            self.engine.repo().create(new, Timestamp::now()).await?;
            self.engine.deploy(id, DeployOptions::default(), &cancel).await?
        };
        Ok(done.changed)
    }

    async fn applied(&self, changed: usize) -> Result<Option<Value>, EngineError> {
        let Some(StoredTopology { row, topology }) = self.stored().await? else {
            return Ok(None);
        };
        let hash = (row.status == Status::Active).then(|| canonical_hash(&topology).to_string());
        Ok(Some(json!({
            "topology": row.id,
            "name": row.name,
            "status": row.status,
            "version_hash": hash.unwrap_or_default(),
            "settings_digest": AppliedTopology::digest(&row.catalog, &row.settings),
            "changed": changed,
        })))
    }
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("the form of an answer")
}

#[async_trait]
impl TopologyHost for AgentHost {
    async fn pushed(&self) -> Result<PushedStore, RuntimeError> {
        let refused = {
            let mut inner = self.inner();
            inner.asked.insert(Instant::now());
            inner.refuses.clone()
        };
        if let Some(error) = refused {
            return Err(error);
        }
        let repo = self.engine.repo();
        Ok(read(json!({
            "instance": repo.instance().await.expect("an id"),
            "secret": repo.secret().await.expect("a secret").to_string(),
            "applied": self.applied(0).await.expect("the store answers"),
        })))
    }

    async fn push(&self, push: &TopologyPush) -> Result<AppliedTopology, RuntimeError> {
        let refused = {
            let mut inner = self.inner();
            inner.pushes.push(Instant::now());
            inner.refuses_pushes.clone()
        };
        if let Some(error) = refused {
            return Err(error);
        }
        let changed = self.apply(push).await.expect("applied");
        Ok(read(
            self.applied(changed)
                .await
                .expect("the store answers")
                .expect("it is there"),
        ))
    }

    async fn take_down(&self, topology: TopologyId) -> Result<Option<AppliedTopology>, RuntimeError> {
        self.lose(topology).await;
        Ok(None)
    }
}
