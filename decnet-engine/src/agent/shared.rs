//! What all requests of an agent share.

use std::sync::{Arc, OnceLock};

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use decnet_topology::Name;
use serde::Serialize;
use tokio::sync::{Mutex, RwLock};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

use super::{AgentFolder, AgentLogs, contact::Contact, generations::Generations, instances::Instances};
use crate::{engine::Engine, http::problem::Problem, pki::Credentials, runtime::Runtime};

/// What all requests share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) engine: Engine,
    pub(super) stop: CancellationToken,
    pub(super) credentials: Credentials,
    pub(super) folder: Option<AgentFolder>,
    pub(super) logs: Option<AgentLogs>,
    pub(super) generations: Generations,
    /// Whether the host was revoked, and the agent only waits until it may remove what masters made.
    pub(super) is_revoked: CancellationToken,
    /// When a master last answered.
    pub(super) contact: Contact,
    /// The stores that masters worked for.
    pub(super) instances: Instances,
    /// Actions of masters hold it for reading. What removes everything of a store holds it alone.
    pub(super) removing: RwLock<()>,
    /// Lets one change of the topology at a time through.
    pub(super) topology: Mutex<()>,
    /// Whether logs are collected.
    pub(super) collecting: OnceLock<()>,
    /// The collector of logs.
    pub(super) collector: TaskTracker,
    /// The changes that were begun. They do not end with their requests.
    pub(super) changing: TaskTracker,
}

/// The shared state, as handlers get it.
pub(super) type Agent = State<Arc<Shared>>;

/// The answer of a handler.
pub(super) type Answer = Result<Response, Problem>;

impl Shared {
    /// Returns the name of this host in its fleet.
    pub(super) fn name(&self) -> Name {
        self.credentials.identity().subject().name().clone()
    }

    /// Returns the runtime of this host.
    pub(super) fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::clone(self.engine.runtime())
    }

    /// Does a change that does not end if the master disconnects: half of it would be done, and nobody would know which half.
    pub(super) async fn change<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Problem>> + Send + 'static,
    ) -> Result<T, Problem> {
        // The server waits for the token. It is taken first: after the server has begun to wait, nothing begins.
        let token = self.changing.token();
        if self.changing.is_closed() {
            return Err(Problem::stopping());
        }
        let work = async move {
            let _held = token;
            work.await
        };
        tokio::spawn(work.in_current_span())
            .await
            .unwrap_or_else(|_| Err(Problem::new("internal", "the request failed unexpectedly")))
    }
}

/// Answers with JSON.
pub(super) fn json(value: &impl Serialize) -> Answer {
    let text = serde_json::to_vec(value);
    let text = text.map_err(|error| Problem::new("internal", format!("the answer cannot be written: {error}")))?;
    Ok(([("content-type", "application/json")], text).into_response())
}
