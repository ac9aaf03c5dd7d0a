//! Engines: the operations on Docker. `engine_store` has those on the store, `engine_access` those in running deckies.

use std::{sync::Arc, time::Duration};

use decnet_engine::{DeployOptions, EngineError, Prepared, PreparedReap, RestartOptions, WatchOptions, watch};
use decnet_topology::Sequence;
use pyo3::prelude::*;
use tokio_util::sync::CancellationToken;

use crate::{
    argument::{self, count},
    convert, events,
    operation::{Answer, Operation, Stop, Waiter},
    plan,
    prepared::{self, Ready},
    rows,
    runtime::Native,
    verification,
    workbench::{Slot, Workbench},
};

/// The methods of an engine, which the classes of `open_engine` inherit.
#[pyclass(frozen, subclass, module = "decnet._decnet")]
pub(crate) struct EngineMethods {
    slot: Native<Arc<Slot>>,
    waiter: Waiter,
}

impl EngineMethods {
    /// Creates the methods of an engine.
    pub(crate) fn new(slot: Arc<Slot>, waiter: Waiter) -> Self {
        Self {
            slot: Native::new(slot),
            waiter,
        }
    }

    /// Returns the parts of the engine, if it is open.
    pub(crate) fn workbench(&self) -> PyResult<Workbench> {
        self.slot.get()?.workbench()
    }

    /// Returns the waiter for its operations.
    pub(crate) fn waiter(&self) -> Waiter {
        self.waiter
    }

    /// Runs an operation that can be cancelled, and reports its progress.
    pub(crate) fn operate<T, F>(
        &self,
        py: Python<'_>,
        progress: Option<&Bound<'_, PyAny>>,
        work: impl FnOnce(Workbench, decnet_engine::Engine, CancellationToken) -> F + Send + 'static,
        finish: impl FnOnce(Python<'_>, T) -> Answer + Send + 'static,
    ) -> Answer
    where
        T: Send + 'static,
        F: Future<Output = Result<T, EngineError>> + Send + 'static,
    {
        let bench = self.workbench()?;
        let cancel = bench.closing.child_token();
        let operation = Operation::new(
            Stop::Token(cancel.clone()),
            |inbox| async move {
                let engine = bench.engine();
                inbox.follow(engine.events(), work(bench, engine, cancel)).await
            },
            finish,
        );
        self.waiter.wait(py, operation, progress)
    }

    /// Runs an operation that needs Docker and can be cancelled.
    pub(crate) fn change<T, F>(
        &self,
        py: Python<'_>,
        progress: Option<&Bound<'_, PyAny>>,
        work: impl FnOnce(decnet_engine::Engine, CancellationToken) -> F + Send + 'static,
        finish: impl FnOnce(Python<'_>, T) -> Answer + Send + 'static,
    ) -> Answer
    where
        T: Send + 'static,
        F: Future<Output = Result<T, EngineError>> + Send + 'static,
    {
        let connect_and_work = |bench: Workbench, engine, cancel: CancellationToken| async move {
            bench.connect(&cancel).await?;
            work(engine, cancel).await
        };
        self.operate(py, progress, connect_and_work, finish)
    }

    /// Runs an operation that does not change Docker.
    pub(crate) fn run<T, F>(
        &self,
        py: Python<'_>,
        stop: Stop,
        work: impl FnOnce(decnet_engine::Engine) -> F + Send + 'static,
        finish: impl FnOnce(Python<'_>, T) -> Answer + Send + 'static,
    ) -> Answer
    where
        T: Send + 'static,
        F: Future<Output = Result<T, EngineError>> + Send + 'static,
    {
        let bench = self.workbench()?;
        let work = |_| async move { work(bench.engine()).await };
        self.waiter.wait(py, Operation::new(stop, work, finish), None)
    }

    /// Runs the preparation of an operation.
    pub(crate) fn prepared<P, F>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(decnet_engine::Engine) -> F + Send + 'static,
        finish: impl FnOnce(Ready<P>, Python<'_>) -> Answer + Send + 'static,
    ) -> Answer
    where
        P: Send + 'static,
        F: Future<Output = Result<P, EngineError>> + Send + 'static,
    {
        let (waiter, closing) = (self.waiter, self.workbench()?.closing);
        let work = |engine: decnet_engine::Engine| async move { Ok((engine.clone(), work(engine).await?)) };
        self.run(py, Stop::Drop, work, move |py, (engine, prepared)| {
            let ready = Ready {
                engine,
                prepared,
                closing,
                waiter,
            };
            finish(ready, py)
        })
    }
}

/// Reads the interval between two polls of `watch`.
fn poll(object: &Bound<'_, PyAny>) -> PyResult<f64> {
    argument::seconds(object, "a poll interval").map(|poll| poll.as_secs_f64())
}

/// Reads how long `restart` waits.
fn wait(object: &Bound<'_, PyAny>) -> PyResult<f64> {
    argument::timeout(Some(object)).map(|wait| wait.unwrap_or_default().as_secs_f64())
}

#[pymethods]
impl EngineMethods {
    /// Closes the engine and cancels its operations. It is idempotent.
    pub(crate) fn close(&self) -> PyResult<()> {
        use crate::repo::CloseWithRepo as _;
        self.slot.get()?.end();
        Ok(())
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let kind = slf.get_type().name()?;
        let Ok(slot) = slf.get().slot.get() else {
            return Ok(format!("<{kind} of another process>"));
        };
        Ok(slot.workbench().map_or_else(
            |_| format!("<{kind}, closed>"),
            |bench| format!("<{kind} on {}>", bench.place),
        ))
    }

    /// Asks the daemon for its version and settings.
    #[pyo3(signature = () -> "Answer[RuntimeInfo]")]
    fn info(&self, py: Python<'_>) -> Answer {
        let work = |engine: decnet_engine::Engine| async move { Ok(engine.runtime().info().await?) };
        self.run(py, Stop::Drop, work, convert::document_of)
    }

    /// Deploys a topology in any status. It recreates running containers only with `force`.
    ///
    /// With `force`, deckies that cannot stay on their hosts move to others, too. A fresh copy of a topology whose hosts all left the fleet
    /// also needs `force`, because nobody knows what they still have.
    ///
    /// Without `settings`, the stored ones are kept. On a fleet, `hosts` are those that may have parts of the topology (empty: all), and
    /// `spread` uses all of them about equally. Both are stored with the settings. What is deployed stays on its host.
    #[pyo3(signature = (id: "TopologyId", *, force = false, settings: "DeploySettings | None" = None, hosts: "Iterable[str] | None" = None, spread: "bool | None" = None, progress: "Progress | None" = None) -> "Answer[Outcome]")]
    fn deploy(
        &self,
        id: &Bound<'_, PyAny>,
        force: bool,
        settings: Option<&Bound<'_, PyAny>>,
        hosts: Option<&Bound<'_, PyAny>>,
        spread: Option<bool>,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> Answer {
        let (py, id) = (id.py(), rows::topology_id(id)?);
        let change = prepared::settings_change(settings, hosts, spread)?;
        let work = move |engine: decnet_engine::Engine, cancel| async move {
            let settings = change.changed(&engine.repo().get(id).await?.settings);
            let options = DeployOptions::default().force(force).settings(settings);
            engine.deploy(id, options, &cancel).await
        };
        self.change(py, progress, work, plan::outcome)
    }

    /// Tears a topology down. It continues after errors, and reports them at the end.
    ///
    /// With `force`, it becomes torn down although all its hosts left the fleet, so that nobody knows what they still have.
    #[pyo3(signature = (id: "TopologyId", *, force = false, progress: "Progress | None" = None) -> "Answer[Outcome]")]
    fn teardown(&self, id: &Bound<'_, PyAny>, force: bool, progress: Option<&Bound<'_, PyAny>>) -> Answer {
        let (py, id) = (id.py(), rows::topology_id(id)?);
        let work = move |engine: decnet_engine::Engine, cancel| async move {
            let teardown = decnet_engine::Operation::Teardown { force };
            engine.operate(id, teardown, None, &cancel).await
        };
        self.change(py, progress, work, plan::outcome)
    }

    /// Repairs only the drift of a running topology. With `force`, it recreates running containers if needed, and moves deckies that cannot
    /// stay on their hosts to others.
    #[pyo3(signature = (id: "TopologyId", *, force = false, progress: "Progress | None" = None) -> "Answer[Outcome]")]
    fn reconcile(&self, id: &Bound<'_, PyAny>, force: bool, progress: Option<&Bound<'_, PyAny>>) -> Answer {
        let (py, id) = (id.py(), rows::topology_id(id)?);
        let work =
            move |engine: decnet_engine::Engine, cancel| async move { engine.reconcile(id, force, &cancel).await };
        self.change(py, progress, work, plan::outcome)
    }

    /// Restarts a decky with all its services, or one of its services (`web-01.ssh`), and waits until it is well.
    ///
    /// It is well when its containers keep running, its network matches the maze, and its services answer on their ports. If it is not
    /// well after `timeout` seconds, `NotWell` is raised; the restart is done then. Containers keep their logs, and other deckies are left
    /// alone. After Ctrl-C, some containers may not be restarted.
    #[pyo3(signature = (id: "TopologyId", part: "str", *, timeout: "float" = 60.0, force = false, progress: "Progress | None" = None) -> "Answer[Outcome]")]
    fn restart(
        &self,
        id: &Bound<'_, PyAny>,
        part: &Bound<'_, PyAny>,
        #[pyo3(from_py_with = wait)] timeout: f64,
        force: bool,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> Answer {
        let (py, id) = (id.py(), rows::topology_id(id)?);
        let options = RestartOptions::new(prepared::part(part)?).force(force);
        let wait = Duration::try_from_secs_f64(timeout).unwrap_or(options.wait);
        let options = options.wait(wait);
        let work =
            move |engine: decnet_engine::Engine, cancel| async move { engine.restart(id, options, &cancel).await };
        self.change(py, progress, work, plan::outcome)
    }

    /// Plans an operation and changes nothing. `operation` is "deploy" (the default), "teardown", "reconcile", "restart" or a mutation.
    ///
    /// `force` is for a deploy, a teardown, a reconcile and a restart, `settings` for a deploy, `actor` for a mutation. A restart needs `part`, the
    /// decky or the service, and may have a `timeout`.
    #[pyo3(signature = (id: "TopologyId", operation: "PreparedOperation | None" = None, *, force = false, settings: "DeploySettings | None" = None, actor: "str | None" = None, part: "str | None" = None, timeout: "float | None" = None) -> "Answer[Prepared]")]
    #[expect(clippy::too_many_arguments, reason = "Python passes them by name")]
    fn prepare(
        &self,
        id: &Bound<'_, PyAny>,
        operation: Option<&Bound<'_, PyAny>>,
        force: bool,
        settings: Option<&Bound<'_, PyAny>>,
        actor: Option<&Bound<'_, PyAny>>,
        part: Option<&Bound<'_, PyAny>>,
        timeout: Option<&Bound<'_, PyAny>>,
    ) -> Answer {
        let (py, id) = (id.py(), rows::topology_id(id)?);
        let operation = match prepared::restart(operation, force, part, timeout)? {
            Some(restart) if settings.is_none() && actor.is_none() => restart,
            Some(_) => return Err(prepared::wrong_argument("restart")),
            None => prepared::operation(operation, force, settings, actor)?,
        };
        let work = move |engine: decnet_engine::Engine| async move { engine.prepare(id, operation).await };
        self.prepared(py, work, Ready::<Prepared>::plan)
    }

    /// Plans a reap and changes nothing. A reap removes the resources of deleted and torn-down topologies.
    ///
    /// With `instance` it removes all resources of a lost store. Running containers are kept unless `running` has the id of their
    /// topology, or its first eight hex digits.
    #[pyo3(signature = (*, instance: "str | None" = None, running: "Iterable[str] | None" = None) -> "Answer[PreparedReap]")]
    fn prepare_reap(
        &self,
        py: Python<'_>,
        instance: Option<&Bound<'_, PyAny>>,
        running: Option<&Bound<'_, PyAny>>,
    ) -> Answer {
        let options = prepared::reap_options(instance, running)?;
        let work = move |engine: decnet_engine::Engine| async move { engine.prepare_reap(options).await };
        self.prepared(py, work, Ready::<PreparedReap>::reap)
    }

    /// Removes the resources of deleted and torn-down topologies. The arguments are those of `prepare_reap`.
    #[pyo3(signature = (*, instance: "str | None" = None, running: "Iterable[str] | None" = None, progress: "Progress | None" = None) -> "Answer[ReapReport]")]
    fn reap(
        &self,
        py: Python<'_>,
        instance: Option<&Bound<'_, PyAny>>,
        running: Option<&Bound<'_, PyAny>>,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> Answer {
        let options = prepared::reap_options(instance, running)?;
        let work = move |engine: decnet_engine::Engine, cancel| async move { engine.reap(options, &cancel).await };
        self.change(py, progress, work, convert::document_of)
    }

    /// Probes from inside every decky whether it reaches exactly the deckies that the maze lets it reach.
    #[pyo3(signature = (id: "TopologyId", *, progress: "Progress | None" = None) -> "Answer[VerifyReport]")]
    fn verify(&self, id: &Bound<'_, PyAny>, progress: Option<&Bound<'_, PyAny>>) -> Answer {
        let (py, id) = (id.py(), rows::topology_id(id)?);
        let work = move |engine: decnet_engine::Engine, cancel| async move { engine.verify(id, &cancel).await };
        self.change(py, progress, work, verification::report)
    }

    /// Returns the state of each decky.
    #[pyo3(signature = (id: "TopologyId") -> "Answer[list[DeckyState]]")]
    fn inspect(&self, id: &Bound<'_, PyAny>) -> Answer {
        let (py, id) = (id.py(), rows::topology_id(id)?);
        let work = move |engine: decnet_engine::Engine| async move { engine.inspect(id).await };
        self.run(py, Stop::Drop, work, |py, inspection| {
            convert::to_python(py, &inspection.deckies)
        })
    }

    /// Applies the queued mutations of a topology, and returns their rows.
    #[pyo3(signature = (id: "TopologyId", *, progress: "Progress | None" = None) -> "Answer[list[MutationRow]]")]
    fn drain(&self, id: &Bound<'_, PyAny>, progress: Option<&Bound<'_, PyAny>>) -> Answer {
        let (py, id) = (id.py(), rows::topology_id(id)?);
        let work = move |engine: decnet_engine::Engine, cancel| async move { engine.drain(id, &cancel).await };
        self.change(py, progress, work, convert::document_of)
    }

    /// Applies queued mutations and repairs drift in all mazes, until it is interrupted or the engine is closed.
    #[pyo3(signature = (*, poll: "float" = 10.0, width: "int | None" = None, progress: "Progress | None" = None) -> "Answer[None]")]
    fn watch(
        &self,
        py: Python<'_>,
        #[pyo3(from_py_with = poll)] poll: f64,
        width: Option<&Bound<'_, PyAny>>,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> Answer {
        let mut options = WatchOptions::default();
        options.poll = Duration::try_from_secs_f64(poll).unwrap_or(options.poll);
        if let Some(width) = width {
            options.width = count(width, "a width")?.max(1);
        }
        let work = move |engine: decnet_engine::Engine, cancel| async move { watch(&engine, &options, &cancel).await };
        self.change(py, progress, work, |py, ()| Ok(py.None()))
    }

    /// Returns a snapshot of the store, and every later event of this engine and of the store.
    ///
    /// With `after`, the `seq` of an event, the events after it follow without a snapshot. If the store no longer has them, there is
    /// one, and `resumed` is False.
    ///
    /// Iterating ends when the engine is closed, which drops unread events, or after `timeout` seconds without an event.
    #[pyo3(signature = (
        *, topology: "TopologyId | None" = None, after: "int | None" = None, timeout: "float | None" = None
    ) -> "Answer[Events]")]
    fn events(
        &self,
        py: Python<'_>,
        topology: Option<&Bound<'_, PyAny>>,
        after: Option<&Bound<'_, PyAny>>,
        timeout: Option<&Bound<'_, PyAny>>,
    ) -> Answer {
        let only = topology.map(rows::topology_id).transpose()?;
        let after = after.map(|after| count(after, "the number of a change")).transpose()?;
        let after = after.map(|after| Sequence::new(after as u64));
        events::open(py, self.workbench()?, only, after, timeout, self.waiter)
    }
}
