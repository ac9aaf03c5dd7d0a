//! Engines: raising stored mazes, keeping them as they should be, and taking them down.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use decnet_engine::{
    bus::{Bus as _, Pattern, local::LocalBus},
    decoy::{self, DecoyImage},
    engine::{self, DeployOptions, EngineError, EngineOptions, Submitted},
    runtime::{
        Runtime,
        docker::{DockerHost, DockerOptions},
    },
    watch::{WatchOptions, watch},
};
use decnet_topology::{DeploySettings, Repo, TopologyId, repo::NewMutation};
use pyo3::{exceptions::PyTypeError, prelude::*, types::PyString};
use tokio_util::sync::CancellationToken;

use crate::{
    argument::{self, FilePath, count},
    catalog::Catalog,
    convert,
    errors::{self, Raise as _},
    events::EventStream,
    mutation::Mutation,
    operation::{Operation, Stop, begin},
    plan::{self, Plan},
    queue,
    repo::{CloseWithRepo, RepoHandle, version},
    rows,
    runtime::Native,
    simulated::Simulated,
};

/// What an engine is made of. Each operation has an engine of its own, which tells of nothing else; all tell the same bus.
#[derive(Debug, Clone)]
struct Workbench {
    repo: Arc<dyn Repo>,
    runtime: Arc<dyn Runtime>,
    options: EngineOptions,
    bus: LocalBus,
    /// Fires when the engine is closed: what is under way is called off.
    ending: CancellationToken,
}

impl Workbench {
    fn engine(&self) -> engine::Engine {
        engine::Engine::new(Arc::clone(&self.repo), Arc::clone(&self.runtime), self.options.clone())
    }
}

/// An engine, until it is closed.
#[derive(Debug)]
struct Slot(Mutex<Option<Workbench>>);

impl CloseWithRepo for Slot {
    fn end(&self) {
        if let Some(bench) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            bench.ending.cancel();
        }
    }
}

/// An engine on a store, until either is closed. Each method begins an operation.
#[pyclass(frozen, module = "decnet._decnet")]
pub(crate) struct EngineHandle(Native<Arc<Slot>>);

/// Where the containers are.
enum Where {
    Docker(DockerOptions),
    There(Arc<dyn Runtime>),
}

fn place(py: Python<'_>, docker: Option<&Bound<'_, PyAny>>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Where> {
    if let Some(simulated) = docker.and_then(|docker| docker.cast::<Simulated>().ok()) {
        return Ok(Where::There(simulated.get().runtime()));
    }
    let host = match docker {
        // As any client of Docker does.
        None => DockerHost::find(
            |name| std::env::var(name).ok(),
            |path| std::fs::read_to_string(path).ok(),
        ),
        Some(docker) if docker.is_instance_of::<PyString>() => convert::text(docker, "the daemon's address")?.parse(),
        Some(other) => {
            let kind = convert::kind(other);
            return Err(PyTypeError::new_err(format!(
                "docker is None, a str or a Simulated, not {kind}"
            )));
        }
    };
    let mut options = DockerOptions::default().host(host.map_err(|error| error.raise(py))?);
    if let Some(timeout) = timeout {
        let timeout = argument::seconds(timeout, "a timeout")?;
        options.timeout =
            Duration::try_from(timeout).map_err(|_| errors::unusable("a timeout is more than nothing"))?;
    }
    Ok(Where::Docker(options))
}

fn image(decoy: Option<FilePath>) -> PyResult<Option<Arc<DecoyImage>>> {
    let program = match decoy {
        Some(path) => Some(argument::read_file(&path.take())?),
        None => decoy::embedded().map(<[u8]>::to_vec),
    };
    Ok(program.map(|program| Arc::new(DecoyImage::pack(&program))))
}

impl EngineHandle {
    fn workbench(&self) -> PyResult<Workbench> {
        let bench = self.0.get()?.0.lock().unwrap_or_else(PoisonError::into_inner);
        bench.clone().ok_or_else(|| errors::unusable("the engine is closed"))
    }

    /// Begins what changes Docker: it can be called off, and tells how far it is.
    fn change<T, F>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(engine::Engine, CancellationToken) -> F,
        finish: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    ) -> PyResult<Operation>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, EngineError>> + Send + 'static,
    {
        let bench = self.workbench()?;
        let (engine, cancel) = (bench.engine(), bench.ending.child_token());
        let events = engine.events();
        begin(
            py,
            Stop::Token(cancel.clone()),
            Some(events),
            work(engine, cancel),
            finish,
        )
    }

    /// Begins what looks at Docker.
    fn look<T, F>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(engine::Engine) -> F,
        finish: impl FnOnce(Python<'_>, T) -> PyResult<Py<PyAny>> + Send + 'static,
    ) -> PyResult<Operation>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, EngineError>> + Send + 'static,
    {
        begin(py, Stop::Drop, None, work(self.workbench()?.engine()), finish)
    }
}

fn settings(object: Option<&Bound<'_, PyAny>>) -> PyResult<Option<DeploySettings>> {
    object.map(|object| convert::document(object, "settings")).transpose()
}

fn said<T: serde::Serialize>(py: Python<'_>, said: T) -> PyResult<Py<PyAny>> {
    convert::to_python(py, &said)
}

#[pymethods]
impl EngineHandle {
    /// Joins a store and Docker, or the simulation.
    #[staticmethod]
    fn open(
        repo: &Bound<'_, RepoHandle>,
        docker: Option<&Bound<'_, PyAny>>,
        catalog: Option<&Bound<'_, Catalog>>,
        width: Option<&Bound<'_, PyAny>>,
        timeout: Option<&Bound<'_, PyAny>>,
        decoy: Option<FilePath>,
    ) -> PyResult<Operation> {
        let py = repo.py();
        let (store, place) = (repo.get().repo()?, place(py, docker, timeout)?);
        let bus = LocalBus::default();
        let options = EngineOptions::new((*Catalog::or_builtin(catalog.map(Bound::get))).clone())
            .bus(Arc::new(bus.clone()))
            .image(image(decoy)?)
            .width(width.map(|width| count(width, "a width")).transpose()?)
            .label("decnet (Python)");
        let keeper = repo.clone().unbind();
        let work = async move {
            let runtime = match place {
                Where::There(runtime) => runtime,
                Where::Docker(docker) => {
                    let engine = engine::Engine::on_docker(Arc::clone(&store), docker, options.clone()).await?;
                    Arc::clone(engine.runtime())
                }
            };
            Ok::<_, EngineError>(Workbench {
                repo: store,
                runtime,
                options,
                bus,
                ending: CancellationToken::new(),
            })
        };
        begin(py, Stop::Drop, None, work, move |py, bench| {
            let slot = Arc::new(Slot(Mutex::new(Some(bench))));
            let dependant: Arc<dyn CloseWithRepo> = slot.clone();
            keeper.get().keep(Arc::downgrade(&dependant))?;
            Ok(Py::new(py, Self(Native::new(slot)))?.into_any())
        })
    }

    /// Closes the engine: what is under way is called off. Twice is no error.
    fn close(&self) -> PyResult<()> {
        self.0.get()?.end();
        Ok(())
    }

    fn deploy(&self, id: &Bound<'_, PyAny>, force: bool, kept: Option<&Bound<'_, PyAny>>) -> PyResult<Operation> {
        let (py, id, options) = (
            id.py(),
            rows::topology_id(id)?,
            DeployOptions::default().force(force).settings(settings(kept)?),
        );
        let work = move |engine: engine::Engine, cancel| async move { engine.deploy(id, options, &cancel).await };
        self.change(py, work, plan::outcome)
    }

    fn teardown(&self, id: &Bound<'_, PyAny>) -> PyResult<Operation> {
        let (py, id) = (id.py(), rows::topology_id(id)?);
        let work = move |engine: engine::Engine, cancel| async move { engine.teardown(id, &cancel).await };
        self.change(py, work, plan::outcome)
    }

    fn reconcile(&self, id: &Bound<'_, PyAny>, force: bool) -> PyResult<Operation> {
        let (py, id) = (id.py(), rows::topology_id(id)?);
        let work = move |engine: engine::Engine, cancel| async move { engine.reconcile(id, force, &cancel).await };
        self.change(py, work, plan::outcome)
    }

    fn drain(&self, id: &Bound<'_, PyAny>) -> PyResult<Operation> {
        let (py, id) = (id.py(), rows::topology_id(id)?);
        let work = move |engine: engine::Engine, cancel| async move { engine.drain(id, &cancel).await };
        self.change(py, work, said)
    }

    fn verify(&self, id: &Bound<'_, PyAny>) -> PyResult<Operation> {
        let (py, id) = (id.py(), rows::topology_id(id)?);
        let work = move |engine: engine::Engine, cancel| async move { engine.verify(id, &cancel).await };
        self.change(py, work, said)
    }

    fn reap(
        &self,
        py: Python<'_>,
        instance: Option<&Bound<'_, PyAny>>,
        dry_run: bool,
        running: Vec<String>,
    ) -> PyResult<Operation> {
        let instance = instance
            .map(|id| convert::parsed(id, "the id of a store"))
            .transpose()?;
        let mut options = engine::ReapOptions::default().running(running);
        if let Some(instance) = instance {
            options = options.instance(instance);
        }
        let work = move |engine: engine::Engine, cancel| async move {
            let prepared = engine.prepare_reap(options).await?;
            if dry_run {
                return Ok(prepared.report().clone());
            }
            prepared.execute(&cancel).await
        };
        self.change(py, work, said)
    }

    fn watch(&self, poll: &Bound<'_, PyAny>, width: Option<&Bound<'_, PyAny>>) -> PyResult<Operation> {
        let mut options = WatchOptions::default();
        options.poll = Duration::try_from(argument::seconds(poll, "a poll")?).unwrap_or(options.poll);
        if let Some(width) = width {
            options.width = count(width, "a width")?.max(1);
        }
        let work = move |engine: engine::Engine, cancel| async move { watch(&engine, &options, &cancel).await };
        self.change(poll.py(), work, |py, ()| Ok(py.None()))
    }

    fn plan(&self, id: &Bound<'_, PyAny>, kept: Option<&Bound<'_, PyAny>>, down: bool) -> PyResult<Operation> {
        let (py, id, settings) = (id.py(), rows::topology_id(id)?, settings(kept)?);
        let work = move |engine: engine::Engine| async move { planned(&engine, id, settings, down).await };
        self.look(py, work, |py, steps| Ok(Py::new(py, Plan::new(steps))?.into_any()))
    }

    fn preview(&self, id: &Bound<'_, PyAny>, mutation: &Bound<'_, PyAny>) -> PyResult<Operation> {
        let (py, id, mutation) = (id.py(), rows::topology_id(id)?, Mutation::read(mutation)?);
        let new = NewMutation::new(mutation);
        let work = move |engine: engine::Engine| async move {
            let prepared = engine.prepare(id, engine::Operation::Mutate(new)).await?;
            Ok(serde_json::json!({ "plan": prepared.plan(), "restarts": prepared.restarts() }))
        };
        self.look(py, work, said)
    }

    fn inspect(&self, id: &Bound<'_, PyAny>) -> PyResult<Operation> {
        let (py, id) = (id.py(), rows::topology_id(id)?);
        let work = move |engine: engine::Engine| async move { engine.inspect(id).await };
        self.look(py, work, |py, inspection| convert::to_python(py, &inspection.deckies))
    }

    fn info(&self, py: Python<'_>) -> PyResult<Operation> {
        let work = |engine: engine::Engine| async move { Ok(engine.runtime().info().await?) };
        self.look(py, work, said)
    }

    fn enqueue(
        &self,
        id: &Bound<'_, PyAny>,
        mutation: &Bound<'_, PyAny>,
        actor: Option<&Bound<'_, PyAny>>,
        expected: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Operation> {
        let (py, id, expected) = (id.py(), rows::topology_id(id)?, version(expected)?);
        let (engine, new) = (self.workbench()?.engine(), queue::wanted(mutation, actor)?);
        let work = async move { engine.submit(id, new, expected).await };
        begin(py, Stop::Never, None, work, |py, submitted| match submitted {
            Submitted::Edited(stored) => rows::stored(py, *stored),
            Submitted::Enqueued(row) => convert::to_python(py, &row),
            _ => Ok(py.None()),
        })
    }

    fn events(&self) -> PyResult<EventStream> {
        let bench = self.workbench()?;
        Ok(EventStream::new(
            bench.bus.subscribe(&[Pattern::everything()]),
            bench.ending,
        ))
    }
}

async fn planned(
    engine: &engine::Engine,
    id: TopologyId,
    settings: Option<DeploySettings>,
    down: bool,
) -> Result<decnet_engine::plan::Plan, EngineError> {
    let operation = if down {
        engine::Operation::Teardown
    } else {
        engine::Operation::Deploy(DeployOptions::default().force(false).settings(settings))
    };
    Ok(engine.prepare(id, operation).await?.plan().clone())
}
