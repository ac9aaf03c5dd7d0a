//! The stored data of a topology.

use decnet_topology::{FindError, PlacementNames, TopologyId};
use jiff::Timestamp;
use pyo3::{IntoPyObjectExt as _, prelude::*};
use serde_json::{Value, json};

use crate::{
    config::TopologyConfig,
    convert::{self, Typed},
    errors::{self, Raise},
    finding::{self, Finding},
    model::Topology,
    tree,
};

/// The data that the store keeps for a topology in addition to the maze.
#[pyclass(frozen, eq, subclass, module = "decnet")]
#[derive(PartialEq)]
pub(crate) struct TopologyRow(pub(crate) decnet_topology::TopologyRow);

#[pymethods]
impl TopologyRow {
    /// The id.
    #[getter]
    pub(crate) fn id(&self) -> String {
        self.0.id.to_string()
    }

    /// The name, unique among topologies that are not torn down, ignoring case.
    #[getter]
    fn name(&self) -> &str {
        self.0.name.as_str()
    }

    /// Where its deckies run.
    #[getter]
    fn mode(&self, py: Python<'_>) -> PyResult<Typed<convert::Mode>> {
        Typed::new(py, &self.0.mode)
    }

    /// The host of the agent, if the topology is for an agent.
    #[getter]
    fn host(&self) -> Option<&str> {
        self.0.host.as_deref()
    }

    /// Its status.
    #[getter]
    pub(crate) fn status(&self, py: Python<'_>) -> PyResult<Typed<convert::Status>> {
        Typed::new(py, &self.0.status)
    }

    /// Its intent: `up` or `down`; none before its first deploy.
    #[getter]
    fn intent(&self, py: Python<'_>) -> PyResult<Option<Typed<convert::Intent>>> {
        self.0.intent.map(|intent| Typed::new(py, &intent)).transpose()
    }

    /// The count of its edits.
    #[getter]
    fn version(&self) -> u64 {
        self.0.version.get()
    }

    /// When it was stored.
    #[getter]
    fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    /// When it was last changed.
    #[getter]
    fn changed_at(&self) -> Timestamp {
        self.0.changed_at
    }

    /// Whether Docker may differ from the stored topology.
    #[getter]
    fn needs_resync(&self) -> bool {
        self.0.needs_resync
    }

    /// The config that it was generated from, if any.
    #[getter]
    fn config(&self) -> Option<TopologyConfig> {
        self.0.config.clone().map(TopologyConfig)
    }

    /// What it uses of a user's catalogue: `services` and `archetypes`, by name; a missing key means none.
    #[getter]
    fn catalog(&self, py: Python<'_>) -> PyResult<Typed<convert::Document>> {
        Typed::new(py, &self.0.catalog)
    }

    /// The deploy settings.
    #[getter]
    fn settings(&self, py: Python<'_>) -> PyResult<Typed<convert::DeploySettings>> {
        Typed::new(py, &self.0.settings)
    }

    /// The hosts of a fleet that have its LANs and deckies; empty if it runs on one host, or was never deployed.
    #[getter]
    fn placed_on(&self) -> Vec<String> {
        let hosts = self.0.placement.iter().flat_map(|placement| placement.members());
        hosts.map(ToString::to_string).collect()
    }

    /// Returns the row as a dict; the maze is not in it.
    #[pyo3(signature = () -> "Document")]
    fn to_dict(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        convert::from_value(py, &described(&self.0))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let (kind, row) = (slf.get_type().name()?, &slf.get().0);
        let (name, id, status, version) = (row.name.as_str(), row.id, row.status, row.version);
        Ok(format!("<{kind} {name:?} {id}: {status}, version {version}>"))
    }
}

fn described(row: &decnet_topology::TopologyRow) -> Value {
    json!({
        "id": row.id,
        "name": row.name,
        "mode": row.mode,
        "host": row.host,
        "status": row.status,
        "intent": row.intent,
        "version": row.version,
        "created_at": row.created_at,
        "changed_at": row.changed_at,
        "needs_resync": row.needs_resync,
        "config": row.config,
        "settings": row.settings,
    })
}

/// A topology and its row.
#[pyclass(frozen, subclass, extends = TopologyRow, module = "decnet")]
pub(crate) struct StoredTopology {
    /// The maze.
    #[pyo3(get)]
    topology: Py<Topology>,
}

#[pymethods]
impl StoredTopology {
    /// The hosts of a fleet that have its LANs and deckies, by name; none if it runs on one host, or was never deployed.
    #[getter]
    fn placement(slf: &Bound<'_, Self>) -> PyResult<Option<Typed<convert::Placement>>> {
        let row = &slf.as_super().get().0;
        let maze = slf.get().topology.get().maze();
        let placement = row.placement.as_ref();
        let placement = placement.map(|placement| PlacementNames::new(&maze, placement));
        placement.map(|placement| Typed::new(slf.py(), &placement)).transpose()
    }
}

/// Creates Python's row.
pub(crate) fn row(py: Python<'_>, row: decnet_topology::TopologyRow) -> PyResult<Py<PyAny>> {
    Ok(Py::new(py, TopologyRow(row))?.into_any())
}

/// Creates Python's rows.
pub(crate) fn rows(py: Python<'_>, rows: Vec<decnet_topology::TopologyRow>) -> PyResult<Py<PyAny>> {
    let rows: Vec<Py<PyAny>> = rows.into_iter().map(|one| row(py, one)).collect::<PyResult<_>>()?;
    Ok(rows.into_pyobject(py)?.unbind())
}

/// A topology that an engine stored, with the change of the store.
#[pyclass(frozen, extends = StoredTopology, module = "decnet")]
pub(crate) struct StoreOutcome {
    result: decnet_engine::StoreResult,
    /// The warnings of the validation. A `GATEWAY_PORT_CLASH` among them makes a deploy fail unless publish rules separate the
    /// gateways.
    #[pyo3(get)]
    warnings: Vec<Finding>,
}

#[pymethods]
impl StoreOutcome {
    /// The change of the store: the topology was created, replaced or unchanged.
    #[getter]
    fn result(&self, py: Python<'_>) -> PyResult<Typed<convert::StoreResult>> {
        Typed::new(py, &self.result)
    }
}

fn initializer(
    py: Python<'_>,
    stored: decnet_topology::StoredTopology,
) -> PyResult<PyClassInitializer<StoredTopology>> {
    let decnet_topology::StoredTopology { row, topology } = stored;
    let topology = Topology::stored((&row).into(), topology, row.placement.clone());
    let topology = Py::new(py, topology)?;
    Ok(PyClassInitializer::from(TopologyRow(row)).add_subclass(StoredTopology { topology }))
}

/// Creates Python's stored topology.
pub(crate) fn stored(py: Python<'_>, stored: decnet_topology::StoredTopology) -> PyResult<Py<PyAny>> {
    Ok(Py::new(py, initializer(py, stored)?)?.into_any())
}

/// Creates Python's outcome of an operation on the store.
pub(crate) fn outcome(py: Python<'_>, outcome: decnet_engine::StoreOutcome) -> PyResult<Py<PyAny>> {
    let warnings = finding::list(&outcome.warnings);
    let made = initializer(py, outcome.stored)?.add_subclass(StoreOutcome {
        result: outcome.result,
        warnings,
    });
    Ok(Py::new(py, made)?.into_any())
}

/// Reads the id of a topology from its row, or from the id itself.
pub(crate) fn topology_id(object: &Bound<'_, PyAny>) -> PyResult<TopologyId> {
    match object.cast::<TopologyRow>() {
        Ok(row) => Ok(row.get().0.id),
        Err(_) => convert::parsed(object, "the id of a topology"),
    }
}

impl Raise for FindError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        let (message, code) = (errors::with_causes(self), self.code());
        match self {
            Self::Repo(error) => error.raise(py),
            Self::NotFound { suggestion, .. } => {
                let attributes = [("suggestion", suggestion.into_py_any(py))];
                errors::with(py, tree::NotFound::new_err(message), code, attributes)
            }
            Self::Ambiguous { candidates, .. } => {
                let rows = rows(py, candidates.clone());
                errors::with(py, tree::Ambiguous::new_err(message), code, [("candidates", rows)])
            }
            _ => errors::with(py, tree::RepoError::new_err(message), code, []),
        }
    }
}
