//! Engines: the operations on the store, which need Docker only to avoid its subnets, and the mutations.

use std::time::{Duration, Instant};

use decnet_engine::{
    ApplyOptions, CreateOptions, EngineError, Prepared, Submitted,
    doctor::{check_hosts, check_links, check_runtime, check_statuses},
};
use decnet_topology::{Draft, Header, Name, TopologyName};
use pyo3::{exceptions::PyTypeError, prelude::*};
use tokio_util::sync::CancellationToken;

use crate::{
    argument::{self, Given},
    config::{config_fields, fields},
    convert,
    document::UnparsedDocument,
    engine::EngineMethods,
    errors::Raise as _,
    generate,
    model::Topology,
    mutation::Mutation,
    operation::{Answer, Operation, Stop},
    prepared::{self, Ready},
    queue::{mutation_id, wanted},
    repo::version,
    rows,
    workbench::Workbench,
};

/// Why arguments of an operation that does not wait are refused.
const ONLY_FOR_WAIT: &str = "timeout and progress are only for wait=True";

/// Reads a maze in any form, and keeps the gaps of its document.
fn draft(maze: &Bound<'_, PyAny>) -> PyResult<Draft> {
    if let Ok(topology) = maze.cast::<Topology>() {
        return Ok(topology.get().draft());
    }
    let written = UnparsedDocument::from_python(maze)?;
    let py = maze.py();
    py.detach(|| written.parse()).map_err(|error| error.raise(py))
}

/// Converts a submitted mutation, or the topology that it changed.
fn submitted(py: Python<'_>, submitted: Submitted) -> Answer {
    match submitted {
        Submitted::Edited(stored) => rows::stored(py, *stored),
        Submitted::Enqueued(queued) => convert::to_python(py, queued.as_ref()),
        _ => Ok(py.None()),
    }
}

/// Writes the method.
macro_rules! generate {
    ({} {$($required:ident: $kind:tt),*} {$($field:ident: $hint:tt),*}) => {
        #[pymethods]
        impl EngineMethods {
            /// Generates a topology from a config, or from config fields, and stores it.
            ///
            /// It avoids the subnets that `taken_subnets` lists. The arguments are those of the function `generate`, which stores nothing.
            #[pyo3(
                signature = (config: "TopologyConfig | Document | None" = None, *, $($required: $kind = Given::ABSENT,)* $($field: $hint = Given::ABSENT,)* seed: "int | None" = None) -> "Answer[StoreOutcome]",
                text_signature = "($self, config=None, *, name=..., depth=..., branching_factor=..., mode='unihost', deckies_per_lan_min=1, deckies_per_lan_max=3, bridge_forward_probability=1.0, cross_edge_probability=0.0, subnet_base_prefix='172.16.0.0/12', lan_prefix=24, randomize_services=True, services_explicit=None, dmz_gateway=False, services='random', naming='numbered', seed=None)"
            )]
            #[expect(clippy::too_many_arguments, reason = "Python passes them by name")]
            fn generate(
                &self,
                py: Python<'_>,
                config: Option<&Bound<'_, PyAny>>,
                $($required: Given<'_>,)*
                $($field: Given<'_>,)*
                seed: Option<&Bound<'_, PyAny>>,
            ) -> Answer {
                let given = [$((stringify!($required), $required),)* $((stringify!($field), $field),)*];
                let fields = fields(py, given)?;
                let config = generate::config(py, config, seed, fields.as_ref(), &self.workbench()?.options.catalog)?;
                let work = move |engine: decnet_engine::Engine| async move { engine.generate(&config).await };
                self.run(py, Stop::Never, work, rows::outcome)
            }
        }
    };
}

config_fields!(generate {});

#[pymethods]
impl EngineMethods {
    /// Stores an empty topology: a DMZ without deckies. Its subnet is free by default.
    #[pyo3(signature = (name: "str", *, subnet: "Subnet | None" = None) -> "Answer[StoreOutcome]")]
    fn create(&self, name: &Bound<'_, PyAny>, subnet: Option<&Bound<'_, PyAny>>) -> Answer {
        let (py, text) = (name.py(), convert::text(name, "the name of a topology")?);
        let name = TopologyName::new(&text).map_err(|source| EngineError::InvalidName { text, source }.raise(py))?;
        let mut options = CreateOptions::default();
        if let Some(subnet) = subnet {
            options = options.subnet(convert::subnet(subnet, "a subnet")?);
        }
        let work = move |engine: decnet_engine::Engine| async move { engine.create(name, options).await };
        self.run(py, Stop::Never, work, rows::outcome)
    }

    /// Stores a maze under the name in its document, or under another one.
    ///
    /// It is stored as new, replaces the pending topology of that name, or is already stored. Missing subnets and addresses are
    /// those of the stored topology, or free ones. A different topology that is not pending is not changed: `Differs` is raised.
    #[pyo3(signature = (maze: "Maze", *, name: "str | None" = None) -> "Answer[StoreOutcome]")]
    fn apply(&self, maze: &Bound<'_, PyAny>, name: Option<&Bound<'_, PyAny>>) -> Answer {
        let py = maze.py();
        let mut draft = draft(maze)?;
        if let Some(name) = name {
            draft.header.name = convert::text(name, "the name of a topology")?;
        }
        let work =
            move |engine: decnet_engine::Engine| async move { engine.apply(&draft, ApplyOptions::default()).await };
        self.run(py, Stop::Never, work, rows::outcome)
    }

    /// Returns the row of a stored topology by its name, its id, or the start of its id, as `Repo.find` does.
    #[pyo3(signature = (name: "str") -> "Answer[TopologyRow]")]
    fn find(&self, name: &Bound<'_, PyAny>) -> Answer {
        let (py, text) = (name.py(), convert::text(name, "the name of a topology")?);
        let bench = self.workbench()?;
        let work = move |_| async move { bench.engine().find(&text).await };
        self.waiter()
            .wait(py, Operation::new(Stop::Drop, work, rows::row), None)
    }

    /// Plans the deploy of a maze under the name in its document, or under another one. Changes nothing.
    ///
    /// The execution stores a new maze or replaces the pending one of that name, and deploys it. A maze that runs is changed in one
    /// go: `mutations` of the result show how. Without `settings`, the stored ones are kept; `hosts` and `spread` are those of `deploy`.
    #[pyo3(signature = (maze: "Maze", *, name: "str | None" = None, force = false, settings: "DeploySettings | None" = None, hosts: "Iterable[str] | None" = None, spread: "bool | None" = None, actor: "str | None" = None) -> "Answer[Prepared]")]
    #[expect(clippy::too_many_arguments, reason = "Python passes them by name")]
    fn prepare_file(
        &self,
        maze: &Bound<'_, PyAny>,
        name: Option<&Bound<'_, PyAny>>,
        force: bool,
        settings: Option<&Bound<'_, PyAny>>,
        hosts: Option<&Bound<'_, PyAny>>,
        spread: Option<bool>,
        actor: Option<&Bound<'_, PyAny>>,
    ) -> Answer {
        let py = maze.py();
        let mut draft = draft(maze)?;
        if let Some(name) = name {
            draft.header.name = convert::text(name, "the name of a topology")?;
        }
        let settings = prepared::settings_change(settings, hosts, spread)?;
        let actor = actor.map(|actor| convert::text(actor, "an actor")).transpose()?;
        let options = ApplyOptions::default().settings(settings).force(force).actor(actor);
        let work = move |engine: decnet_engine::Engine| async move { engine.prepare_file(&draft, options).await };
        self.prepared(py, work, Ready::<Prepared>::plan)
    }

    /// Deletes a topology with all its records, and returns its last row.
    ///
    /// It must be pending, torn down, or failed with nothing left on Docker, and have the `expected` version if one is given.
    #[pyo3(signature = (id: "TopologyId", *, expected: "int | None" = None) -> "Answer[TopologyRow]")]
    fn delete(&self, id: &Bound<'_, PyAny>, expected: Option<&Bound<'_, PyAny>>) -> Answer {
        let (py, id, expected) = (id.py(), rows::topology_id(id)?, version(expected)?);
        let work = move |engine: decnet_engine::Engine| async move { engine.delete(id, expected).await };
        self.run(py, Stop::Never, work, rows::row)
    }

    /// Submits a mutation: a pending topology is edited directly, for a running one it is queued.
    ///
    /// A mutation that the maze refuses, also after all queued ones, raises `MutationRejected`. `depends_on` lists queued mutations
    /// that it needs.
    ///
    /// With `wait` it returns when the mutation is finished, and applies it unless another process does. After `timeout` seconds, or
    /// after Ctrl-C, `MutationQueued` has the number of the unfinished mutation. The row of a finished one has its state: `applied`,
    /// `rejected` or `failed`, and the reason.
    #[pyo3(signature = (id: "TopologyId", mutation: "Mutation | Document", *, wait = false, timeout: "float | None" = None, actor: "str | None" = None, expected: "int | None" = None, progress: "Progress | None" = None) -> "Answer[EnqueuedMutation | StoredTopology]")]
    #[expect(clippy::too_many_arguments, reason = "Python passes them by name")]
    fn submit(
        &self,
        id: &Bound<'_, PyAny>,
        mutation: &Bound<'_, PyAny>,
        wait: bool,
        timeout: Option<&Bound<'_, PyAny>>,
        actor: Option<&Bound<'_, PyAny>>,
        expected: Option<&Bound<'_, PyAny>>,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> Answer {
        let (py, id, expected) = (id.py(), rows::topology_id(id)?, version(expected)?);
        let (new, timeout) = (wanted(mutation, actor)?, argument::timeout(timeout)?);
        if wait {
            let work = move |_, engine: decnet_engine::Engine, cancel: CancellationToken| async move {
                engine.submit_and_wait(id, new, expected, timeout, &cancel).await
            };
            return self.operate(py, progress, work, submitted);
        }
        if timeout.is_some() || progress.is_some() {
            return Err(PyTypeError::new_err(ONLY_FOR_WAIT));
        }
        let work = move |engine: decnet_engine::Engine| async move { engine.submit(id, new, expected).await };
        self.run(py, Stop::Never, work, submitted)
    }

    /// Gives a decky other services now, as the `shuffle` rule of its maze that applies to it says.
    ///
    /// It is a mutation like that of `submit`, with the same result, `wait` and `timeout`. A decky without a rule, or without a service to
    /// replace, raises `NotShuffled`.
    #[pyo3(signature = (id: "TopologyId", decky: "str", *, wait = false, timeout: "float | None" = None, actor: "str | None" = None, progress: "Progress | None" = None) -> "Answer[EnqueuedMutation | StoredTopology]")]
    fn shuffle(
        &self,
        id: &Bound<'_, PyAny>,
        decky: &Bound<'_, PyAny>,
        wait: bool,
        timeout: Option<&Bound<'_, PyAny>>,
        actor: Option<&Bound<'_, PyAny>>,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> Answer {
        let (py, id) = (id.py(), rows::topology_id(id)?);
        let text = convert::text(decky, "the name of a decky")?;
        let decky = Name::new(&text).map_err(|source| EngineError::InvalidName { text, source }.raise(py))?;
        let actor = actor.map(|actor| convert::text(actor, "an actor")).transpose()?;
        let timeout = argument::timeout(timeout)?;
        if wait {
            let work = move |_, engine: decnet_engine::Engine, cancel: CancellationToken| async move {
                let mut shuffled = engine.shuffle(id, &decky, actor).await?;
                if let Submitted::Enqueued(queued) = &mut shuffled {
                    queued.row = engine.wait_for(queued.row.id, timeout, &cancel).await?;
                }
                Ok(shuffled)
            };
            return self.operate(py, progress, work, submitted);
        }
        if timeout.is_some() || progress.is_some() {
            return Err(PyTypeError::new_err(ONLY_FOR_WAIT));
        }
        let work = move |engine: decnet_engine::Engine| async move { engine.shuffle(id, &decky, actor).await };
        self.run(py, Stop::Never, work, submitted)
    }

    /// Waits until a queued mutation is finished, and applies it unless another process does. Returns its row.
    ///
    /// After `timeout` seconds it raises `MutationQueued`. Started work is finished first.
    #[pyo3(signature = (mutation: "MutationId", *, timeout: "float | None" = None, progress: "Progress | None" = None) -> "Answer[MutationRow]")]
    fn wait_for(
        &self,
        mutation: &Bound<'_, PyAny>,
        timeout: Option<&Bound<'_, PyAny>>,
        progress: Option<&Bound<'_, PyAny>>,
    ) -> Answer {
        let (py, id, timeout) = (mutation.py(), mutation_id(mutation)?, argument::timeout(timeout)?);
        let work = move |bench: Workbench, engine: decnet_engine::Engine, cancel: CancellationToken| async move {
            let begun = Instant::now();
            let within = timeout.unwrap_or(Duration::MAX);
            match tokio::time::timeout(within, bench.connect(&cancel)).await {
                Ok(connected) => connected?,
                // The wait then only reads the row.
                Err(_) => cancel.cancel(),
            }
            let rest = timeout.map(|limit| limit.saturating_sub(begun.elapsed()));
            engine.wait_for(id, rest, &cancel).await
        };
        self.operate(py, progress, work, convert::document_of)
    }

    /// Checks a mutation against the current topology, and returns the maze after it. Nothing is changed.
    #[pyo3(signature = (id: "TopologyId", mutation: "Mutation | Document", *, expected: "int | None" = None) -> "Answer[Topology]")]
    fn check(&self, id: &Bound<'_, PyAny>, mutation: &Bound<'_, PyAny>, expected: Option<&Bound<'_, PyAny>>) -> Answer {
        let (py, id, expected) = (id.py(), rows::topology_id(id)?, version(expected)?);
        let mutation = Mutation::read(mutation)?;
        let work = move |engine: decnet_engine::Engine| async move {
            let maze = engine.check_mutation(id, &mutation, expected).await?;
            Ok((engine.repo().get(id).await?, maze))
        };
        self.run(py, Stop::Drop, work, |py, (row, maze)| {
            let header = Header {
                name: row.name.to_string(),
                config: row.config,
                ..Header::default()
            };
            Ok(Py::new(py, Topology::read((header, maze)))?.into_any())
        })
    }

    /// Lists the subnets that a new LAN should avoid: those of stored topologies except for one and, if Docker answers, those of its
    /// other networks and of this machine's routes.
    #[pyo3(signature = (*, excluding: "TopologyId | None" = None) -> "Answer[list[str]]")]
    fn taken_subnets(&self, py: Python<'_>, excluding: Option<&Bound<'_, PyAny>>) -> Answer {
        let excluding = excluding.map(rows::topology_id).transpose()?;
        let work = move |engine: decnet_engine::Engine| async move { engine.taken_subnets(excluding).await };
        self.run(py, Stop::Drop, work, convert::document_of)
    }

    /// Checks the prerequisites of mazes: Docker, the kernel, leftovers, and the stored mazes.
    #[pyo3(signature = () -> "Answer[list[Check]]")]
    fn doctor(&self, py: Python<'_>) -> Answer {
        let work = |engine: decnet_engine::Engine| async move {
            let mut checks = check_statuses(engine.repo().as_ref()).await;
            checks.extend(check_links(Some(&engine)).await);
            checks.extend(check_runtime(engine.runtime().as_ref(), Some(engine.repo().as_ref())).await);
            checks.extend(check_hosts(&engine).await);
            Ok(checks)
        };
        self.run(py, Stop::Drop, work, convert::document_of)
    }
}
