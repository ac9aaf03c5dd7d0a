//! Prepared operations: the plan that is shown is the plan that runs.

use std::collections::BTreeSet;

use decnet_engine::{
    DeployOptions, EngineError, Operation as EngineOperation, ReapOptions, RestartOptions, SettingsChange,
};
use decnet_topology::{DeckyPart, DeploySettings, Distribution, Name};
use pyo3::{exceptions::PyTypeError, prelude::*, types::PyString};
use tokio_util::sync::CancellationToken;

use crate::{
    argument, convert, errors,
    finding::{Finding, list},
    mutation::Mutation,
    operation::{Answer, Operation, Stop, Waiter},
    plan::{self, Plan},
    queue,
    runtime::Native,
};

/// A prepared operation and its executor.
pub(crate) struct Ready<P> {
    pub(crate) engine: decnet_engine::Engine,
    pub(crate) prepared: P,
    pub(crate) closing: CancellationToken,
    pub(crate) waiter: Waiter,
}

impl Ready<decnet_engine::Prepared> {
    /// Creates Python's object.
    pub(crate) fn plan(self, py: Python<'_>) -> Answer {
        let waiter = self.waiter;
        waiter.object(py, PreparedMethods(Native::new(self)), Prepared, AioPrepared)
    }
}

impl Ready<decnet_engine::PreparedReap> {
    /// Creates Python's object.
    pub(crate) fn reap(self, py: Python<'_>) -> Answer {
        let waiter = self.waiter;
        waiter.object(py, ReapMethods(Native::new(self)), PreparedReap, AioPreparedReap)
    }
}

impl<P: Clone + Send + Sync + 'static> Ready<P> {
    fn execute<T, F>(
        &self,
        py: Python<'_>,
        progress: Option<&Bound<'_, PyAny>>,
        work: impl FnOnce(P, CancellationToken) -> F + Send + 'static,
        finish: impl FnOnce(Python<'_>, T) -> Answer + Send + 'static,
    ) -> Answer
    where
        T: Send + 'static,
        F: Future<Output = Result<T, EngineError>> + Send + 'static,
    {
        if self.closing.is_cancelled() {
            return Err(errors::unusable("the engine is closed"));
        }
        let (cancel, events, prepared) = (self.closing.child_token(), self.engine.events(), self.prepared.clone());
        let operation = Operation::new(
            Stop::Token(cancel.clone()),
            |inbox| async move { inbox.follow(events, work(prepared, cancel)).await },
            finish,
        );
        self.waiter.wait(py, operation, progress)
    }
}

/// The members of a prepared operation, which [`Prepared`] and [`AioPrepared`] inherit.
#[pyclass(frozen, subclass, module = "decnet._decnet")]
pub(crate) struct PreparedMethods(Native<Ready<decnet_engine::Prepared>>);

impl PreparedMethods {
    fn prepared(&self) -> PyResult<&decnet_engine::Prepared> {
        self.0.get().map(|ready| &ready.prepared)
    }
}

/// A planned operation that is not executed yet. `execute` makes the plan again, and refuses if it differs.
#[pyclass(frozen, extends = PreparedMethods, module = "decnet")]
pub(crate) struct Prepared;

/// A prepared operation whose `execute` is a coroutine.
#[pyclass(frozen, extends = PreparedMethods, module = "decnet.aio")]
pub(crate) struct AioPrepared;

#[pymethods]
impl PreparedMethods {
    /// The id of the topology after the operation. It differs from the current one if a fresh copy is deployed.
    #[getter]
    fn id(&self) -> PyResult<String> {
        Ok(self.prepared()?.id().to_string())
    }

    /// The steps. There are none if a topology that does not run is edited.
    #[getter]
    fn plan(&self) -> PyResult<Plan> {
        Ok(Plan::new(self.prepared()?.plan().clone()))
    }

    /// The mutations that the operation applies. If another maze is deployed, they are the difference from the stored one.
    #[getter]
    fn mutations(&self) -> PyResult<Vec<Mutation>> {
        let mutations = self.prepared()?.mutations().into_iter();
        Ok(mutations.cloned().map(Mutation::new).collect())
    }

    /// The warnings of the validation.
    #[getter]
    fn warnings(&self) -> PyResult<Vec<Finding>> {
        Ok(list(self.prepared()?.warnings()))
    }

    /// The running containers that the plan restarts or recreates.
    #[getter]
    fn restarts(&self) -> PyResult<Vec<String>> {
        Ok(self.prepared()?.restarts().iter().map(ToString::to_string).collect())
    }

    /// The hosts that left the fleet, and that a teardown does not ask, with what they may still have; one line each.
    #[getter]
    fn given_up(&self) -> PyResult<Vec<String>> {
        Ok(self.prepared()?.given_up().iter().map(ToString::to_string).collect())
    }

    /// The hosts that do not answer, with the reasons and what to do; one line each. Nothing is planned there.
    #[getter]
    fn unseen(&self) -> PyResult<Vec<String>> {
        Ok(self.prepared()?.unseen())
    }

    /// Why `execute` would refuse the plan: it needs `force`; else None.
    #[getter]
    fn refusal(&self) -> PyResult<Option<String>> {
        Ok(self.prepared()?.refusal().map(ToString::to_string))
    }

    /// Executes the operation. It is refused with `PlanChanged` if another plan is needed now.
    #[pyo3(signature = (*, progress: "Progress | None" = None) -> "Answer[Outcome]")]
    fn execute(&self, py: Python<'_>, progress: Option<&Bound<'_, PyAny>>) -> Answer {
        let work = |prepared: decnet_engine::Prepared, cancel| async move { prepared.execute(&cancel).await };
        self.0.get()?.execute(py, progress, work, plan::outcome)
    }

    /// Returns the steps, one per line, and the refusal if there is one.
    fn __str__(&self) -> PyResult<String> {
        let prepared = self.prepared()?;
        let steps = prepared.plan().steps().iter().map(ToString::to_string);
        let refusal = prepared.refusal().map(|refusal| format!("refused: {refusal}"));
        Ok(steps.chain(refusal).collect::<Vec<_>>().join("\n"))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let (kind, prepared) = (slf.get_type().name()?, slf.get().prepared()?);
        let refused = if prepared.refusal().is_some() { ", refused" } else { "" };
        Ok(format!("<{kind}: {} step(s){refused}>", prepared.plan().steps().len()))
    }
}

/// The members of a prepared reap, which [`PreparedReap`] and [`AioPreparedReap`] inherit.
#[pyclass(frozen, subclass, module = "decnet._decnet")]
pub(crate) struct ReapMethods(Native<Ready<decnet_engine::PreparedReap>>);

/// A planned reap that is not executed yet. `execute` makes the plans again, and refuses if they differ.
#[pyclass(frozen, extends = ReapMethods, module = "decnet")]
pub(crate) struct PreparedReap;

/// A prepared reap whose `execute` is a coroutine.
#[pyclass(frozen, extends = ReapMethods, module = "decnet.aio")]
pub(crate) struct AioPreparedReap;

#[pymethods]
impl ReapMethods {
    /// The remains that were found, and the plans that remove them.
    #[getter]
    fn report(&self, py: Python<'_>) -> PyResult<convert::Typed<convert::ReapReport>> {
        convert::Typed::new(py, self.0.get()?.prepared.report())
    }

    /// Executes the reap. It is refused with `PlanChanged` if another plan is needed now.
    #[pyo3(signature = (*, progress: "Progress | None" = None) -> "Answer[ReapReport]")]
    fn execute(&self, py: Python<'_>, progress: Option<&Bound<'_, PyAny>>) -> Answer {
        let work = |prepared: decnet_engine::PreparedReap, cancel| async move { prepared.execute(&cancel).await };
        self.0.get()?.execute(py, progress, work, convert::document_of)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let (kind, report) = (slf.get_type().name()?, slf.get().0.get()?.prepared.report());
        Ok(format!("<{kind}: remains of {} topologies>", report.orphans.len()))
    }
}

/// Reads deploy settings.
pub(crate) fn settings(object: Option<&Bound<'_, PyAny>>) -> PyResult<Option<DeploySettings>> {
    object.map(|object| convert::document(object, "settings")).transpose()
}

/// Reads a change of deploy settings: all of them, the hosts of a fleet, and whether all of these are used.
pub(crate) fn settings_change(
    object: Option<&Bound<'_, PyAny>>,
    hosts: Option<&Bound<'_, PyAny>>,
    spread: Option<bool>,
) -> PyResult<SettingsChange> {
    let change = settings(object)?.map(SettingsChange::exactly).unwrap_or_default();
    let hosts = hosts.map(|hosts| convert::texts(hosts, "hosts")).transpose()?;
    let parsed = |hosts: Vec<String>| {
        let hosts = hosts.iter().map(|host| convert::parse(host, "the name of a host"));
        hosts.collect::<PyResult<BTreeSet<Name>>>()
    };
    let distribution = spread.map(|spread| {
        if spread {
            Distribution::Spread
        } else {
            Distribution::Pack
        }
    });
    Ok(change.hosts(hosts.map(parsed).transpose()?).distribution(distribution))
}

/// Reads the operation to prepare, with its arguments.
pub(crate) fn operation(
    operation: Option<&Bound<'_, PyAny>>,
    force: bool,
    settings: Option<&Bound<'_, PyAny>>,
    actor: Option<&Bound<'_, PyAny>>,
) -> PyResult<EngineOperation> {
    let word = match operation {
        None => "deploy".to_owned(),
        Some(word) if word.is_instance_of::<PyString>() => convert::text(word, "an operation")?,
        Some(mutation) if !force && settings.is_none() => {
            return Ok(EngineOperation::Mutate(queue::wanted(mutation, actor)?));
        }
        Some(_) => {
            return Err(PyTypeError::new_err(
                "force and settings are not arguments of a mutation",
            ));
        }
    };
    match (word.as_str(), settings, actor) {
        ("deploy", _, None) => Ok(EngineOperation::Deploy(
            DeployOptions::default()
                .force(force)
                .settings(self::settings(settings)?),
        )),
        ("reconcile", None, None) => Ok(EngineOperation::Reconcile { force }),
        ("teardown", None, None) => Ok(EngineOperation::Teardown { force }),
        ("deploy" | "reconcile" | "teardown", ..) => Err(wrong_argument(&word)),
        _ => Err(PyTypeError::new_err(format!(
            "an operation must be 'deploy', 'teardown', 'reconcile', 'restart' or a mutation, not {word:?}"
        ))),
    }
}

/// Reports that an operation does not have an argument.
pub(crate) fn wrong_argument(word: &str) -> PyErr {
    PyTypeError::new_err(format!(
        "invalid argument for a {word}: force is for deploy, teardown, reconcile and restart, settings for deploy, part and timeout for restart, \
         actor for a mutation"
    ))
}

/// Reads a restart with its arguments, if the operation is one.
pub(crate) fn restart(
    operation: Option<&Bound<'_, PyAny>>,
    force: bool,
    part: Option<&Bound<'_, PyAny>>,
    timeout: Option<&Bound<'_, PyAny>>,
) -> PyResult<Option<EngineOperation>> {
    let is_restart = operation
        .and_then(|word| word.cast::<PyString>().ok())
        .is_some_and(|word| word == "restart");
    match (is_restart, part) {
        (true, Some(part)) => {
            let options = RestartOptions::new(self::part(part)?).force(force);
            let wait = argument::timeout(timeout)?.unwrap_or(options.wait);
            Ok(Some(EngineOperation::Restart(options.wait(wait))))
        }
        (true, None) => Err(PyTypeError::new_err(
            "a restart needs part: a decky, or a service as 'web-01.ssh'",
        )),
        (false, None) if timeout.is_none() => Ok(None),
        (false, _) => Err(PyTypeError::new_err("part and timeout are arguments of a restart")),
    }
}

/// Reads a decky or one of its services.
pub(crate) fn part(object: &Bound<'_, PyAny>) -> PyResult<DeckyPart> {
    convert::parsed(object, "a decky or a service")
}

/// Reads the arguments of a reap.
pub(crate) fn reap_options(
    instance: Option<&Bound<'_, PyAny>>,
    running: Option<&Bound<'_, PyAny>>,
) -> PyResult<ReapOptions> {
    let running = running.map(|running| convert::texts(running, "running")).transpose()?;
    let options = ReapOptions::default().running(running.unwrap_or_default());
    Ok(match instance {
        Some(instance) => options.instance(convert::parsed(instance, "the id of a store")?),
        None => options,
    })
}
