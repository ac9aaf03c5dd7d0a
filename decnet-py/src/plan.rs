//! The plan of an operation, and its outcome.

use pyo3::{prelude::*, types::PyList};

use crate::{
    convert::{self, Typed},
    finding::Finding,
    rows::TopologyRow,
};

/// One effect on Docker, and the steps that must be done before.
#[pyclass(frozen, eq, module = "decnet")]
#[derive(Clone, PartialEq)]
pub(crate) struct Step(decnet_engine::Step);

#[pymethods]
impl Step {
    /// The reason, in words: `missing`, `spec changed: publish`. `to_dict()` has it as data.
    #[getter]
    fn reason(&self) -> String {
        self.0.reason.to_string()
    }

    /// Whether it removes a running container in order to recreate it.
    #[getter]
    fn destructive(&self) -> bool {
        self.0.destructive
    }

    /// The positions of the steps that must be done before.
    #[getter]
    fn needs(&self) -> Vec<usize> {
        self.0.needs.iter().copied().collect()
    }

    /// Returns it as a dict.
    #[pyo3(signature = () -> "Document")]
    fn to_dict(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        convert::to_python(py, &self.0)
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("<Step {}>", self.0)
    }
}

/// Steps that bring Docker from the observed to the desired state.
#[pyclass(frozen, eq, module = "decnet")]
#[derive(PartialEq)]
pub(crate) struct Plan(decnet_engine::Plan);

impl Plan {
    /// Creates Python's plan.
    pub(crate) fn new(plan: decnet_engine::Plan) -> Self {
        Self(plan)
    }
}

#[pymethods]
impl Plan {
    /// The steps; each comes after the steps that it needs.
    #[getter]
    fn steps(&self) -> Vec<Step> {
        self.0.steps().iter().cloned().map(Step).collect()
    }

    /// Whether there is nothing to do.
    #[getter]
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the steps as dicts.
    #[pyo3(signature = () -> "list[Document]")]
    fn to_list(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        convert::to_python(py, &self.0)
    }

    fn __len__(&self) -> usize {
        self.0.steps().len()
    }

    fn __iter__(&self, py: Python<'_>) -> PyResult<Typed<convert::Steps>> {
        let steps = PyList::new(py, self.steps())?;
        Ok(steps.try_iter()?.into_any().unbind().into())
    }

    fn __str__(&self) -> String {
        let lines: Vec<String> = self.0.steps().iter().map(ToString::to_string).collect();
        lines.join("\n")
    }

    fn __repr__(&self) -> String {
        format!("<Plan: {} step(s)>", self.__len__())
    }
}

/// The outcome of an operation.
#[pyclass(frozen, get_all, module = "decnet")]
pub(crate) struct Outcome {
    /// The topology's row afterwards; it has another id if a fresh copy was deployed.
    row: Py<TopologyRow>,
    /// How many steps changed something.
    changed: usize,
    /// How Docker differs from the maze, if the topology is degraded.
    reason: Option<String>,
    /// The warnings of the validation: valid, but probably not intended.
    warnings: Vec<Finding>,
    /// The volumes that a teardown kept, because the catalogue says so.
    kept_volumes: Vec<String>,
    /// The hosts that left the fleet, and that a teardown did not ask, with what they may still have; one line each.
    given_up: Vec<String>,
}

#[pymethods]
impl Outcome {
    /// The id of the topology afterwards.
    #[getter]
    fn id(&self) -> String {
        self.row.get().id()
    }

    /// The status of the topology afterwards.
    #[getter]
    fn status(&self, py: Python<'_>) -> PyResult<Typed<convert::Status>> {
        self.row.get().status(py)
    }

    fn __repr__(&self) -> String {
        format!("<Outcome: {}, {} change(s)>", self.row.get().0.status, self.changed)
    }
}

/// Creates Python's outcome.
pub(crate) fn outcome(py: Python<'_>, outcome: decnet_engine::Outcome) -> PyResult<Py<PyAny>> {
    let decnet_engine::Outcome {
        row,
        changed,
        reason,
        warnings,
        kept_volumes,
        given_up,
    } = outcome;
    let made = Outcome {
        row: Py::new(py, TopologyRow(row))?,
        changed,
        reason,
        warnings: warnings.iter().map(Finding::from).collect(),
        kept_volumes: kept_volumes.iter().map(ToString::to_string).collect(),
        given_up: given_up.iter().map(ToString::to_string).collect(),
    };
    Ok(Py::new(py, made)?.into_any())
}
