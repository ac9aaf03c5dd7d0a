use std::{io, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument as _;

use super::{
    AgentFolder, AgentLogs, AgentOptions, command,
    generations::Generations,
    heartbeat, runtime, streams,
    topologies::{self, Topologies},
};
use crate::{
    engine::Engine,
    fleet::{
        push,
        secure::{self, Doors},
    },
    http::{listening::Listening, problem::Problem},
    pki::{Credentials, Peers},
    runtime::{Runtime, remote::messages},
};

/// The largest number of connections from one address: a master has many streams.
const CONNECTIONS_EACH: usize = 1024;

/// What all requests share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) engine: Engine,
    pub(super) stop: CancellationToken,
    pub(super) credentials: Credentials,
    pub(super) folder: Option<AgentFolder>,
    pub(super) logs: Option<AgentLogs>,
    pub(super) generations: Generations,
    pub(super) topologies: Topologies,
    /// The collector of logs.
    pub(super) collector: TaskTracker,
    /// The changes that were begun. They do not end with their requests.
    changing: TaskTracker,
}

/// The shared state, as handlers get it.
pub(super) type Agent = State<Arc<Shared>>;

/// The answer of a handler.
pub(super) type Answer = Result<Response, Problem>;

impl Shared {
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

/// Serves an agent until [`AgentOptions::stop`] is cancelled. The engine has the runtime of this host, and a store of its own for the
/// topology that masters push.
///
/// # Errors
///
/// If the file with the generation cannot be read, or TLS cannot be set up.
pub async fn serve(
    engine: Engine,
    credentials: Credentials,
    options: AgentOptions,
    listener: TcpListener,
) -> io::Result<()> {
    let AgentOptions {
        stop,
        grace,
        write_timeout,
        folder,
        master,
        logs,
    } = options;
    let shared = Arc::new(Shared {
        engine,
        stop: stop.clone(),
        generations: Generations::open(folder.as_ref().map(AgentFolder::generation))?,
        credentials: credentials.clone(),
        folder,
        logs,
        topologies: Topologies::default(),
        collector: TaskTracker::new(),
        changing: TaskTracker::new(),
    });
    let doors = Doors {
        credentials,
        clients: Peers::Masters,
        is_needed: true,
    };
    let listening = Listening {
        stop,
        grace,
        write_timeout,
        max_connections_each: CONNECTIONS_EACH,
    };
    let beats = master.map(|master| tokio::spawn(heartbeat::run(Arc::clone(&shared), master)));
    let served = secure::serve(doors, router(&shared), listening, listener).await;
    shared.changing.close();
    shared.changing.wait().await;
    shared.collector.close();
    shared.collector.wait().await;
    if let Some(beats) = beats {
        // It ends with the stop. If TLS could not be set up, there was none.
        beats.abort();
    }
    served.map_err(io::Error::other)
}

fn router(shared: &Arc<Shared>) -> Router {
    Router::new()
        .route(messages::OBSERVE, post(runtime::observe))
        .route(messages::PERFORM, post(runtime::perform))
        .route(messages::PROBE, post(runtime::probe))
        .route(messages::LOG, post(streams::log))
        .route(messages::COPY, post(streams::copy))
        .route(messages::CAPTURE, post(streams::capture))
        .route(messages::COMMAND, post(command::run))
        .route(push::APPLY, post(topologies::apply))
        .route(push::TEARDOWN, post(topologies::teardown))
        .layer(from_fn_with_state(Arc::clone(shared), of_this_generation))
        .route(push::STATE, get(topologies::state))
        .route("/ping", get(async || StatusCode::NO_CONTENT))
        .fallback(secure::without_route)
        .method_not_allowed_fallback(secure::without_route)
        .with_state(Arc::clone(shared))
}

/// Refuses requests of a master that was superseded.
async fn of_this_generation(State(shared): Agent, request: Request, next: Next) -> Response {
    match shared.generations.admit(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}
