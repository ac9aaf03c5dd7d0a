use std::{io, sync::Arc, time::Instant};

use axum::{
    Extension, Router,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use decnet_topology::RepoError;
use jiff::Timestamp;
use serde::Serialize;
use tokio::{net::TcpListener, sync::Mutex};

use super::{
    FleetError, FleetMaster, FleetOptions,
    messages::{AUTHORITY, AuthorityAnswer, ENROLL, HEARTBEAT},
    secure::{self, Client, Doors, read},
};
use crate::{
    causes,
    http::{listening::Listening, problem::Problem},
    pki::Peers,
};

/// The longest body, in bytes: anybody may send one.
const LONGEST: usize = 64 << 10;

/// The largest number of connections from one address.
const CONNECTIONS_EACH: usize = 64;

/// How long the listener waits for a client that does not read its answer.
const WRITE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);

/// How often revoked hosts are read.
const REFRESH: std::time::Duration = std::time::Duration::from_secs(5);

/// How old the authority may be that a host reads before it joins.
const AUTHORITY_FRESH: std::time::Duration = std::time::Duration::from_secs(1);

type Answer = Result<Response, Problem>;

struct Shared {
    fleet: FleetMaster,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// When the authority was read for a host that wants to join.
    read_at: Mutex<Option<Instant>>,
}

impl Shared {
    /// Reads the authority, which may have been replaced a moment ago. Anybody can ask for it, so it is read once a second at most.
    async fn read_authority(&self) -> Result<(), Problem> {
        let mut read_at = self.read_at.lock().await;
        if read_at.is_none_or(|at| at.elapsed() >= AUTHORITY_FRESH) {
            *read_at = Some(Instant::now());
            self.fleet.refresh((self.clock)()).await?;
        }
        Ok(())
    }
}

/// Serves the listener for agents until [`FleetOptions::stop`] is cancelled: hosts join, and send heartbeats.
///
/// It uses TLS with the certificate of the master. A host that joins has no certificate yet; everything else needs that of an agent.
///
/// # Errors
///
/// If TLS cannot be set up.
pub async fn serve(fleet: FleetMaster, options: FleetOptions, listener: TcpListener) -> io::Result<()> {
    let doors = Doors {
        credentials: fleet.credentials().clone(),
        clients: Peers::Agents,
        is_needed: false,
    };
    let listening = Listening {
        stop: options.stop,
        grace: options.grace,
        write_timeout: WRITE_TIMEOUT,
        max_connections_each: CONNECTIONS_EACH,
    };
    let clock = Arc::clone(&options.clock);
    let shared = Arc::new(Shared {
        fleet: fleet.clone(),
        clock: options.clock,
        read_at: Mutex::default(),
    });
    let router = Router::new()
        .route(AUTHORITY, get(authority))
        .route(ENROLL, post(enroll))
        .route(HEARTBEAT, post(heartbeat))
        .route("/ping", get(async || StatusCode::NO_CONTENT))
        .fallback(secure::without_route)
        .method_not_allowed_fallback(secure::without_route)
        .with_state(shared);
    let refreshing = refresh(fleet, clock);
    tokio::select! {
        served = secure::serve(doors, router, listening, listener) => served.map_err(io::Error::other),
        () = refreshing => Ok(()),
    }
}

/// Refuses revoked hosts, and renews the certificate of the master.
async fn refresh(fleet: FleetMaster, clock: Arc<dyn Fn() -> Timestamp + Send + Sync>) {
    let mut ticks = tokio::time::interval(REFRESH);
    loop {
        ticks.tick().await;
        if let Err(error) = fleet.refresh(clock()).await {
            tracing::warn!(error = causes::with_causes(&error), "the fleet cannot be read");
        }
    }
}

async fn authority(State(shared): State<Arc<Shared>>) -> Answer {
    shared.read_authority().await?;
    json(&AuthorityAnswer {
        certificate: shared.fleet.authority().certificate_pem().into(),
    })
}

async fn enroll(State(shared): State<Arc<Shared>>, request: Request) -> Answer {
    let request = read(request, LONGEST).await?;
    json(&shared.fleet.enroll(request, (shared.clock)()).await?)
}

async fn heartbeat(
    State(shared): State<Arc<Shared>>,
    Extension(Client(client)): Extension<Client>,
    request: Request,
) -> Answer {
    let needed = || Problem::new("certificate_needed", "a heartbeat needs the certificate of an agent");
    let client = client.ok_or_else(needed)?;
    let host = client.subject.host().ok_or_else(needed)?;
    let beat = read(request, LONGEST).await?;
    json(&shared.fleet.hear(&client, host, beat, (shared.clock)()).await?)
}

fn json(value: &impl Serialize) -> Answer {
    let text = serde_json::to_vec(value);
    let text = text.map_err(|error| Problem::new("internal", format!("the answer cannot be written: {error}")))?;
    Ok(([("content-type", "application/json")], text).into_response())
}

impl From<FleetError> for Problem {
    fn from(error: FleetError) -> Self {
        match &error {
            FleetError::Repo(
                RepoError::EnrolmentUsed { .. } | RepoError::HostNameTaken { .. } | RepoError::HostNotFound { .. },
            ) => {}
            FleetError::Repo(_) | FleetError::AuthorityDamaged { .. } => {
                // The reason may name files of the master, and nobody has proved yet who asks.
                tracing::error!(error = causes::with_causes(&error), "a host cannot be served");
                return Self::new("host_store", "the store of hosts does not work");
            }
            _ => {}
        }
        Self::new(error.code().to_owned(), causes::with_causes(&error))
    }
}
