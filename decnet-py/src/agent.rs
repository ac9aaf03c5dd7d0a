//! The agent of a host: it joins a fleet, and serves the Docker of the host to masters. The classes are in `open_agent`.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use decnet_engine::{
    AgentError, AgentFolder, AgentLogs, AgentMaster, AgentOptions, AgentPlace, EngineOptions, FleetError, JoinError,
    JoinToken, LogTarget, PkiError, agent, check_address,
};
use decnet_topology::{Name, RepoError};
use jiff::{SignedDuration, Timestamp};
use pyo3::{exceptions::PyTypeError, prelude::*};
use serde_json::json;
use tokio::{net::TcpListener, sync::OwnedMutexGuard};
use tokio_util::sync::CancellationToken;

use crate::{
    argument::{FilePath, Text},
    catalog::Catalog,
    convert::{self, Typed},
    errors::{self, Raise, with},
    forward, open_engine,
    open_repo::open_file,
    operation::{Answer, Operation, Stop, Waiter},
    runtime::Native,
    tree,
    workbench::{self, Daemon},
};

/// The shortest silence of all masters after which an agent removes what they made.
const SHORTEST_SILENCE: SignedDuration = SignedDuration::from_mins(1);

/// An agent, until it is closed.
struct OpenAgent {
    folder: Mutex<Option<AgentFolder>>,
    /// Is cancelled when the agent is closed.
    closing: CancellationToken,
    /// Locked while it serves or joins.
    idle: Arc<tokio::sync::Mutex<()>>,
}

/// The methods of an agent, which the classes of `open_agent` inherit.
#[pyclass(frozen, subclass, module = "decnet._decnet")]
pub(crate) struct AgentMethods {
    agent: Native<OpenAgent>,
    waiter: Waiter,
}

/// The reason why an agent did not join or serve.
enum Failure {
    Join(JoinError),
    Pki(PkiError),
    Store(RepoError),
    Agent(AgentError),
    NotJoined(AgentFolder),
    Listen(SocketAddr, io::Error),
}

impl Raise for Failure {
    fn raise(&self, py: Python<'_>) -> PyErr {
        match self {
            Self::Join(error) => error.raise(py),
            Self::Pki(error) => error.raise(py),
            Self::Store(error) => error.raise(py),
            Self::Agent(error) => error.raise(py),
            Self::NotJoined(folder) => {
                let message = format!(
                    "the folder {} has no agent that joined a fleet",
                    folder.path().display()
                );
                with(py, tree::NotFound::new_err(message), "not_joined", [])
            }
            Self::Listen(address, error) => {
                let code = match error.kind() {
                    io::ErrorKind::AddrInUse => "address_in_use",
                    _ => "io",
                };
                let message = format!("the agent cannot listen at {address}: {error}");
                with(py, tree::DecnetError::new_err(message), code, [])
            }
        }
    }
}

/// What an agent serves, and how.
struct Serving {
    listen: SocketAddr,
    daemon: Daemon,
    options: EngineOptions,
    logs: Option<LogTarget>,
    orphan_after: Option<Duration>,
}

impl Serving {
    /// Serves until the token is cancelled.
    async fn serve(
        self,
        folder: AgentFolder,
        stop: CancellationToken,
        _idle: OwnedMutexGuard<()>,
    ) -> Result<(), Failure> {
        let joined = folder.load().map_err(Failure::Pki)?;
        let (credentials, place) = joined.ok_or_else(|| Failure::NotJoined(folder.clone()))?;
        let listener = TcpListener::bind(self.listen).await;
        let listener = listener.map_err(|error| Failure::Listen(self.listen, error))?;
        let store = open_file(folder.store()).await.map_err(Failure::Store)?;
        let engine = self.daemon.engine_of_agent(Arc::new(store), self.options);
        let logs = self.logs.map(|target| AgentLogs::new(target).cursor(folder.cursor()));
        let options = AgentOptions::default()
            .stop(stop)
            .folder(folder)
            .master(AgentMaster::new(place))
            .logs(logs)
            .orphan_after(self.orphan_after);
        agent::serve(engine, credentials, options, listener)
            .await
            .map_err(Failure::Agent)
    }
}

/// Joins a fleet, and stores the credentials.
async fn join(folder: AgentFolder, token: JoinToken, name: Name, place: AgentPlace) -> Result<(), Failure> {
    check_address(&place.master).map_err(|error| Failure::Join(error.into()))?;
    folder.check_room().map_err(Failure::Pki)?;
    let joined = agent::join(&token, &name, &place, Timestamp::now()).await;
    folder
        .save(&joined.map_err(Failure::Join)?, &place)
        .map_err(Failure::Pki)
}

impl AgentMethods {
    /// Opens the folder of an agent.
    pub(crate) fn open(py: Python<'_>, folder: FilePath, waiter: Waiter) -> PyResult<Self> {
        let folder = AgentFolder::open(folder.take()).map_err(|error| error.raise(py))?;
        let agent = OpenAgent {
            folder: Mutex::new(Some(folder)),
            closing: CancellationToken::new(),
            idle: Arc::default(),
        };
        Ok(Self {
            agent: Native::new(agent),
            waiter,
        })
    }

    /// Returns the folder, if the agent is open.
    fn folder(&self) -> PyResult<AgentFolder> {
        let folder = self.agent.get()?.folder.lock().unwrap_or_else(PoisonError::into_inner);
        folder.clone().ok_or_else(|| errors::unusable("the agent is closed"))
    }

    /// Returns a guard for work that excludes other work of the agent.
    fn idle(&self) -> PyResult<OwnedMutexGuard<()>> {
        let idle = Arc::clone(&self.agent.get()?.idle).try_lock_owned();
        idle.map_err(|_| tree::DecnetError::new_err("the agent serves already"))
    }
}

#[pymethods]
impl AgentMethods {
    /// Who the host is in its fleet, and where its master is; None if it has not joined.
    #[getter]
    fn identity(&self, py: Python<'_>) -> PyResult<Option<Typed<convert::AgentIdentity>>> {
        let joined = self.folder()?.load().map_err(|error| error.raise(py))?;
        let described = joined.map(|(credentials, place)| {
            let identity = credentials.identity();
            let info = identity.info();
            let described = json!({
                "name": info.subject.name(),
                "host": info.subject.host(),
                "master": place.master,
                "address": place.address,
                "certificate_until": info.not_after,
            });
            Typed::new(py, &described)
        });
        described.transpose()
    }

    /// Joins a fleet with a token of its master, as `decnet agent --join-only` does. The token works once, and only for this name.
    ///
    /// `master` is the address of the listener of `decnet host serve`, and `address` the one at which masters will reach this agent: both are
    /// `host:port`. A host that has joined can join again.
    ///
    /// A refusal raises a `DecnetError` with its code: `token_used`, `token_expired`, `other_authority`, `peer_unreachable` and others.
    #[pyo3(signature = (token: "str", *, name: "str", master: "str", address: "str") -> "Answer[None]")]
    fn join(
        &self,
        token: &Bound<'_, PyAny>,
        name: &Bound<'_, PyAny>,
        master: &Bound<'_, PyAny>,
        address: &Bound<'_, PyAny>,
    ) -> Answer {
        let (py, folder, idle) = (token.py(), self.folder()?, self.idle()?);
        let parsed = convert::text(token, "a token")?.parse();
        let token = parsed.map_err(|error: FleetError| error.raise(py))?;
        let name = convert::parsed(name, "the name of a host")?;
        let place = AgentPlace::new(
            convert::text(master, "the address of a master")?,
            convert::text(address, "the address of an agent")?,
        );
        let work = move |_| async move {
            let _idle = idle;
            join(folder, token, name, place).await
        };
        let operation = Operation::new(Stop::Never, work, |py, ()| Ok(py.None()));
        self.waiter.wait(py, operation, None)
    }

    /// Serves the daemon of this host to the masters of its fleet, as `decnet agent` does, until it is interrupted or the agent is closed.
    ///
    /// It sends a heartbeat to its master every ten seconds, which also renews its certificate. Open requests are finished at the end, and
    /// interrupted operations are undone. `docker` is the daemon as for `Engine`. `logs` is where the logs of mazes go that the master pushes to
    /// this host, as for `Engine.forward_logs`. With `orphan_after`, everything that masters made here is removed if none answers for this
    /// long, at least a minute.
    ///
    /// A host that has not joined raises `NotFound`, with the code `not_joined`. If the host was revoked, it raises a `DecnetError` with the
    /// code `host_revoked`.
    #[pyo3(
        signature = (*, listen: "str" = Text::new("0.0.0.0:7378"), docker: "str | Simulated | None" = None, catalog = None, decoy: "str | PathLike[str] | None" = None, logs: "str | None" = None, orphan_after: "datetime.timedelta | None" = None) -> "Answer[None]",
        text_signature = "($self, *, listen='0.0.0.0:7378', docker=None, catalog=None, decoy=None, logs=None, orphan_after=None)"
    )]
    #[expect(clippy::too_many_arguments, reason = "Python passes them by name")]
    fn serve(
        &self,
        py: Python<'_>,
        listen: Text,
        docker: Option<&Bound<'_, PyAny>>,
        catalog: Option<&Bound<'_, Catalog>>,
        decoy: Option<FilePath>,
        logs: Option<&Bound<'_, PyAny>>,
        orphan_after: Option<&Bound<'_, PyAny>>,
    ) -> Answer {
        let (agent, folder) = (self.agent.get()?, self.folder()?);
        let serving = Serving {
            listen: convert::parse(&listen.take(), "an address to listen on")?,
            daemon: workbench::daemon(docker, None)?,
            options: open_engine::options(catalog.map(Bound::get), None, decoy)?,
            logs: logs.map(forward::target).transpose()?,
            orphan_after: orphan_after.map(silence).transpose()?,
        };
        let idle = self.idle()?;
        let stop = agent.closing.child_token();
        let cancel = Stop::Token(stop.clone());
        let work = |_| serving.serve(folder, stop, idle);
        let operation = Operation::new(cancel, work, |py, ()| Ok(py.None()));
        self.waiter.wait(py, operation, None)
    }

    /// Closes the folder. `serve` ends.
    pub(crate) fn close(&self) -> PyResult<()> {
        let agent = self.agent.get()?;
        agent.folder.lock().unwrap_or_else(PoisonError::into_inner).take();
        agent.closing.cancel();
        Ok(())
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let kind = slf.get_type().name()?;
        Ok(match slf.get().folder() {
            Ok(folder) => format!("<{kind} in \"{}\">", folder.path().display()),
            Err(_) => format!("<{kind}, closed>"),
        })
    }
}

/// Reads how long no master may answer.
fn silence(object: &Bound<'_, PyAny>) -> PyResult<Duration> {
    let Ok(silence) = object.extract::<SignedDuration>() else {
        let kind = convert::kind(object);
        return Err(PyTypeError::new_err(format!(
            "orphan_after must be a timedelta, not {kind}"
        )));
    };
    match Duration::try_from(silence) {
        Ok(unsigned) if silence >= SHORTEST_SILENCE => Ok(unsigned),
        _ => Err(tree::DecnetError::new_err("orphan_after must be one minute or longer")),
    }
}
