//! The topology of an agent: pushed by a master, kept in the store of the engine.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Extension,
    extract::{Request, State},
};
use decnet_topology::{
    CatalogExcerpt, DeploySettings, Draft, Name, NewTopology, Status, StoredTopology, SubnetPool, Syntax, Topology,
    TopologyFilter, TopologyId, TopologyName, canonical_hash, document,
};
use jiff::Timestamp;

use super::{
    collecting,
    shared::{Agent, Answer, Shared, json},
};
use crate::{
    causes,
    engine::{DeployOptions, Engine, EngineError, Outcome, Replacement},
    fence::Fence,
    fleet::secure::read,
    http::problem::Problem,
    observe::{Observed, Scope},
    peer::LONGEST,
    pushed::{AgentState, AppliedTopology, PushedStore, TopologyPush},
    runtime::remote::messages::TeardownRequest,
};

/// A push whose hash is that of its document.
struct Wanted {
    id: Option<TopologyId>,
    name: TopologyName,
    topology: Topology,
    settings: DeploySettings,
    catalog: CatalogExcerpt,
    force_deckies: BTreeSet<Name>,
}

/// Applies a push.
pub(super) async fn apply(State(shared): Agent, Extension(fence): Extension<Fence>, request: Request) -> Answer {
    let push: TopologyPush = read(request, LONGEST).await?;
    let agent = Arc::clone(&shared);
    let work = async move {
        let wanted = Wanted::read(&agent.engine, push)?;
        if let Some(id) = wanted.id.filter(|id| *id != fence.topology) {
            let detail = format!(
                "the document is of the topology {id}, and the lease is for {}",
                fence.topology
            );
            return Err(Problem::new("other_topology", detail));
        }
        let _one = agent.topology.lock().await;
        // A newer lease may have been seen while this waited.
        agent.generations.admit(fence)?;
        let id = store(&agent, &wanted).await?;
        collecting::begin(&agent);
        let deployed = deploy(&agent, id, wanted).await?;
        Ok(describe(&agent.engine, &deployed).await?)
    };
    json(&shared.change(work).await?)
}

/// Tears down what was pushed, or only one topology.
pub(super) async fn teardown(State(shared): Agent, Extension(fence): Extension<Fence>, request: Request) -> Answer {
    let wanted: Option<TeardownRequest> = read(request, LONGEST).await?;
    let agent = Arc::clone(&shared);
    let work = async move {
        let _one = agent.topology.lock().await;
        // A newer lease may have been seen while this waited.
        agent.generations.admit(fence)?;
        let only = wanted.map(|wanted| wanted.topology);
        clear_those(&agent, |id| only.is_none_or(|only| only == id)).await
    };
    json(&shared.change(work).await?)
}

/// Tears down everything that was pushed, and returns the last of it.
pub(super) async fn clear_all(agent: &Shared) -> Result<Option<AppliedTopology>, Problem> {
    clear_those(agent, |_| true).await
}

/// Tears down some of what was pushed. One that fails does not stop the others.
async fn clear_those(agent: &Shared, those: impl Fn(TopologyId) -> bool) -> Result<Option<AppliedTopology>, Problem> {
    let (mut last, mut problems) = (None, Vec::new());
    let rows = agent.engine.repo().list(&TopologyFilter::default()).await;
    let rows = rows.map_err(EngineError::from)?.rows;
    for row in rows.into_iter().filter(|row| those(row.id)) {
        match remove(agent, row.id).await {
            Ok(applied) => last = Some(applied),
            Err(problem) => problems.push(problem),
        }
    }
    match &problems[..] {
        [] => Ok(last),
        [only] => Err(only.clone()),
        several => {
            let details: Vec<&str> = several.iter().map(Problem::detail).collect();
            Err(Problem::new("teardown_incomplete", details.join("; ")))
        }
    }
}

/// Tears a topology down, and deletes it from the store.
async fn remove(agent: &Shared, id: TopologyId) -> Result<AppliedTopology, Problem> {
    let outcome = clear(agent, id).await?;
    let applied = describe(&agent.engine, &outcome).await?;
    agent.engine.delete(id, None).await?;
    Ok(applied)
}

/// Begins to collect logs if a topology was pushed before this agent started.
pub(super) async fn collect_again(shared: &Arc<Shared>) {
    match current(&shared.engine).await {
        Ok(Some(_)) => collecting::begin(shared),
        Ok(None) => {}
        Err(error) => tracing::warn!(error = causes::with_causes(&error), "the store does not answer"),
    }
}

/// Describes what was pushed, and what the runtime has of it.
pub(super) async fn state(State(shared): Agent) -> Answer {
    let engine = &shared.engine;
    let applied = applied_now(engine).await?;
    let observed = match &applied {
        None => Observed::default(),
        Some(applied) => {
            let instance = engine.repo().instance().await?;
            engine
                .runtime()
                .inspect(Scope::Topology(instance, applied.topology))
                .await?
        }
    };
    json(&AgentState { applied, observed })
}

/// Describes the store, for the master of the topology that was pushed.
pub(super) async fn pushed(State(shared): Agent) -> Answer {
    let engine = &shared.engine;
    json(&PushedStore {
        instance: engine.repo().instance().await?,
        secret: engine.repo().secret().await?,
        applied: applied_now(engine).await?,
    })
}

impl Wanted {
    /// Reads a push.
    fn read(engine: &Engine, push: TopologyPush) -> Result<Self, Problem> {
        let draft: Draft = document::parse(&push.document, Syntax::Auto)?;
        let name: TopologyName = draft
            .header
            .name
            .parse()
            .map_err(|error| Problem::new("invalid_name", format!("{error}")))?;
        let catalog = engine.catalog().with_stored(&push.catalog);
        // What the document lacks would be chosen here, and then the hash would differ.
        let topology = draft.resolve(&catalog, &SubnetPool::default());
        let topology = topology.map_err(EngineError::Resolve)?;
        let hash = canonical_hash(&topology).to_string();
        if hash != push.version_hash {
            let detail = format!("the hash of the document is {hash}, not {}", push.version_hash);
            return Err(Problem::new("hash_mismatch", detail)
                .member("expected", push.version_hash)
                .member("found", hash));
        }
        Ok(Self {
            id: draft.header.id,
            name,
            topology,
            settings: push.settings,
            catalog: push.catalog,
            force_deckies: push.force_deckies,
        })
    }

    /// Returns whether a stored topology is another version of this one.
    fn is(&self, stored: &StoredTopology) -> bool {
        match self.id {
            Some(id) => stored.row.id == id,
            None => stored.row.name.as_str().eq_ignore_ascii_case(self.name.as_str()),
        }
    }
}

/// Makes the pushed topology the only one in the store. Others are torn down first, and so is what is left of a failed deploy of it.
async fn store(shared: &Shared, wanted: &Wanted) -> Result<TopologyId, Problem> {
    let engine = &shared.engine;
    let mut kept = None;
    for stored in all(engine).await? {
        let is_same = canonical_hash(&stored.topology) == canonical_hash(&wanted.topology);
        let can_change = match stored.row.status {
            Status::Pending | Status::Active => true,
            // An unfinished deploy can only be continued, and a maze that is going down only be torn down.
            Status::Deploying => is_same,
            Status::Degraded => stored.row.intent != Some(decnet_topology::Intent::Down),
            _ => false,
        };
        if wanted.is(&stored) && can_change && stored.row.name == wanted.name {
            kept = Some(stored.row.id);
            continue;
        }
        clear(shared, stored.row.id).await?;
        engine.delete(stored.row.id, None).await?;
    }
    let at = Timestamp::now();
    let repo = engine.repo();
    if let Some(id) = kept {
        if !wanted.catalog.is_empty() {
            repo.extend_catalog(id, wanted.catalog.clone(), None, at).await?;
        }
        return Ok(id);
    }
    let mut new = NewTopology::new(wanted.name.clone(), wanted.topology.clone())
        .settings(wanted.settings.clone())
        .catalog(wanted.catalog.clone());
    new.id = wanted.id;
    Ok(repo.create(new, at).await?.row.id)
}

/// Deploys the stored topology, or changes it to the pushed one.
async fn deploy(shared: &Shared, id: TopologyId, wanted: Wanted) -> Result<Outcome, Problem> {
    // A change that was interrupted waits in the queue of this store, which nobody else drains.
    if shared.engine.repo().has_unfinished(id).await? {
        shared.engine.drain(id, &shared.stop).await?;
    }
    let options = DeployOptions::default()
        .force_deckies(wanted.force_deckies)
        .settings(wanted.settings);
    let replacement = Replacement::new(wanted.topology)
        .options(options)
        .actor("master".to_owned());
    Ok(shared.engine.replace(id, replacement, &shared.stop).await?)
}

/// Tears a topology down completely.
async fn clear(shared: &Shared, id: TopologyId) -> Result<Outcome, Problem> {
    let outcome = shared.engine.teardown(id, &shared.stop).await?;
    // With a reason, an image is left that could not be removed yet. The row stays until the next teardown has removed it.
    if outcome.row.status == Status::TornDown && outcome.reason.is_none() {
        return Ok(outcome);
    }
    let reason = outcome.reason.unwrap_or_default();
    let detail = format!("`{}` could not be torn down completely: {reason}", outcome.row.name);
    Err(Problem::new("teardown_incomplete", detail))
}

/// Loads all stored topologies.
async fn all(engine: &Engine) -> Result<Vec<StoredTopology>, EngineError> {
    let mut all = Vec::new();
    for row in engine.repo().list(&TopologyFilter::default()).await?.rows {
        all.push(engine.repo().load(row.id).await?);
    }
    Ok(all)
}

/// Returns the topology that was pushed.
pub(super) async fn current(engine: &Engine) -> Result<Option<StoredTopology>, EngineError> {
    let all = all(engine).await?;
    Ok(all.into_iter().rfind(|stored| stored.row.status != Status::TornDown))
}

/// Describes the topology that was pushed.
pub(super) async fn applied_now(engine: &Engine) -> Result<Option<AppliedTopology>, EngineError> {
    match current(engine).await? {
        Some(stored) => Ok(Some(applied(engine, &stored).await?)),
        None => Ok(None),
    }
}

/// Describes a stored topology. Its hash is empty unless all of it runs: not while a change of it is unfinished.
async fn applied(engine: &Engine, stored: &StoredTopology) -> Result<AppliedTopology, EngineError> {
    let StoredTopology { row, topology } = stored;
    let runs = row.status == Status::Active && !engine.repo().has_unfinished(row.id).await?;
    Ok(AppliedTopology {
        topology: row.id,
        name: row.name.to_string(),
        status: row.status,
        version_hash: if runs {
            canonical_hash(topology).to_string()
        } else {
            String::new()
        },
        settings_digest: AppliedTopology::digest(&row.catalog, &row.settings),
        changed: 0,
        reason: None,
    })
}

/// Describes a topology after an operation.
async fn describe(engine: &Engine, outcome: &Outcome) -> Result<AppliedTopology, EngineError> {
    Ok(AppliedTopology {
        changed: outcome.changed,
        reason: outcome.reason.clone(),
        ..applied(engine, &engine.repo().load(outcome.row.id).await?).await?
    })
}
