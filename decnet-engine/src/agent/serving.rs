use std::{
    io,
    sync::{Arc, OnceLock},
};

use axum::{
    Router,
    extract::{Request, State},
    http::StatusCode,
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use tokio::{net::TcpListener, sync::Mutex};
use tokio_util::task::TaskTracker;

use super::{
    AgentFolder, AgentOptions, command,
    generations::{self, Generations},
    heartbeat, runtime,
    shared::{Agent, Shared},
    streams, topologies,
};
use crate::{
    engine::Engine,
    fleet::{
        push,
        secure::{self, Doors},
    },
    http::listening::Listening,
    pki::{Credentials, Peers},
    runtime::remote::messages,
};

/// The largest number of connections from one address: a master has many streams.
const CONNECTIONS_EACH: usize = 1024;

/// Serves an agent until [`AgentOptions::stop`] is cancelled. The engine has the runtime of this host, and a store of its own for the
/// topology that masters push.
///
/// # Errors
///
/// If the file with the generations cannot be read, or TLS cannot be set up.
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
        topology: Mutex::default(),
        collecting: OnceLock::new(),
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
    let changing = Router::new()
        .route(messages::PERFORM, post(runtime::perform))
        .route(push::APPLY, post(topologies::apply))
        .route(push::TEARDOWN, post(topologies::teardown))
        .route_layer(from_fn_with_state(Arc::clone(shared), of_newest_lease));
    changing
        .route(messages::OBSERVE, post(runtime::observe))
        .route(messages::PROBE, post(runtime::probe))
        .route(messages::LOG, post(streams::log))
        .route(messages::COPY, post(streams::copy))
        .route(messages::CAPTURE, post(streams::capture))
        .route(messages::COMMAND, post(command::run))
        .route(push::STATE, get(topologies::state))
        .route("/ping", get(async || StatusCode::NO_CONTENT))
        .fallback(secure::without_route)
        .method_not_allowed_fallback(secure::without_route)
        .with_state(Arc::clone(shared))
}

/// Refuses changes by a master whose lease is not the newest of its topology.
async fn of_newest_lease(State(shared): Agent, mut request: Request, next: Next) -> Response {
    let fence = generations::fence_of(request.headers());
    match fence.and_then(|fence| shared.generations.admit(fence).map(|()| fence)) {
        Ok(fence) => {
            request.extensions_mut().insert(fence);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}
