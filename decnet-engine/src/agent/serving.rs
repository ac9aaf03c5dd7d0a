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
use jiff::Timestamp;
use tokio::{
    net::TcpListener,
    sync::{Mutex, RwLock},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    AgentError, AgentFolder, AgentOptions, command,
    contact::{Contact, SilenceLimit},
    generations::{self, Generations},
    heartbeat,
    instances::Instances,
    orphans, revoked, runtime,
    shared::{Agent, Shared},
    streams, topologies,
};
use crate::{
    engine::Engine,
    fleet::secure::{self, Doors},
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
/// [`AgentError::Serve`] if the files with the generations and the stores cannot be read, or TLS cannot be set up, or
/// [`orphan_after`](AgentOptions::orphan_after) has no master. [`AgentError::Revoked`] if the master refuses the host because it was
/// revoked: at once, or, with `orphan_after`, when that time is over and what masters made is removed.
pub async fn serve(
    engine: Engine,
    credentials: Credentials,
    options: AgentOptions,
    listener: TcpListener,
) -> Result<(), AgentError> {
    let AgentOptions {
        stop,
        grace,
        write_timeout,
        folder,
        master,
        logs,
        orphan_after,
    } = options;
    if orphan_after.is_some() && master.is_none() {
        let text = "`orphan_after` needs a master, which gets the heartbeats";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text).into());
    }
    // A revoked agent ends without its owner.
    let asked_to = stop;
    let stop = asked_to.child_token();
    let limit = orphan_after.zip(master.as_ref()).map(|(after, master)| SilenceLimit {
        after,
        every: master.every,
    });
    let shared = Arc::new(Shared {
        engine,
        stop: stop.clone(),
        generations: Generations::open(folder.as_ref().map(AgentFolder::generation))?,
        contact: Contact::open(folder.as_ref().map(AgentFolder::answered), limit, Timestamp::now()),
        instances: Instances::open(folder.as_ref().map(AgentFolder::instances))?,
        is_revoked: CancellationToken::new(),
        removing: RwLock::default(),
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
    let beats = master.map(|master| {
        let task = tokio::spawn(heartbeat::run(Arc::clone(&shared), master.clone()));
        (task, master)
    });
    topologies::collect_again(&shared).await;
    let orphans = limit.map(|_| tokio::spawn(orphans::run(Arc::clone(&shared))));
    let served = secure::serve(doors, router(&shared), listening, listener).await;
    shared.changing.close();
    shared.changing.wait().await;
    shared.collector.close();
    shared.collector.wait().await;
    // The tasks end with the stop. If TLS could not be set up, there was none.
    shared.stop.cancel();
    if let Some(task) = orphans {
        task.abort();
    }
    served.map_err(io::Error::other)?;
    if let Some((task, master)) = beats
        && task.await.unwrap_or_default()
        && !asked_to.is_cancelled()
    {
        return Err(revoked::error(&shared, &master).await);
    }
    Ok(())
}

fn router(shared: &Arc<Shared>) -> Router {
    let changing = Router::new()
        .route(messages::PERFORM, post(runtime::perform))
        .route(messages::APPLY, post(topologies::apply))
        .route(messages::TEARDOWN, post(topologies::teardown))
        .route_layer(from_fn_with_state(Arc::clone(shared), of_newest_lease));
    let reading = Router::new()
        .route(messages::OBSERVE, post(runtime::observe))
        .route(messages::PROBE, post(runtime::probe))
        .route(messages::LOG, post(streams::log))
        .route(messages::COPY, post(streams::copy))
        .route(messages::CAPTURE, post(streams::capture))
        .route(messages::COMMAND, post(command::run))
        .route(messages::PUSHED, get(topologies::pushed))
        .route_layer(from_fn_with_state(Arc::clone(shared), of_master));
    changing
        .merge(reading)
        .route(messages::STATE, get(topologies::state))
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
            shared.contact.answered();
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// Notes that a master is there.
async fn of_master(State(shared): Agent, request: Request, next: Next) -> Response {
    shared.contact.answered();
    next.run(request).await
}
