//! The result of a verification.

use pyo3::prelude::*;

use crate::convert::{self, Typed};

/// The result of `Engine.verify`: what probes from inside the deckies found.
#[pyclass(frozen, eq, module = "decnet")]
#[derive(PartialEq)]
pub(crate) struct VerifyReport(decnet_engine::VerifyReport);

#[pymethods]
impl VerifyReport {
    /// How many deckies were probed.
    #[getter]
    fn deckies(&self) -> usize {
        self.0.deckies
    }

    /// How many paths were probed.
    #[getter]
    fn probes(&self) -> usize {
        self.0.probes
    }

    /// The paths that differ from the maze, by the decky where they start.
    #[getter]
    fn deviations(&self, py: Python<'_>) -> PyResult<Typed<convert::ReachDeviations>> {
        Typed::new(py, &self.0.deviations)
    }

    /// The paths that were not probed because of the deploy settings.
    #[getter]
    fn skipped(&self, py: Python<'_>) -> PyResult<Typed<convert::SkippedPaths>> {
        Typed::new(py, &self.0.skipped)
    }

    /// The steps that would reconcile Docker with the maze.
    #[getter]
    fn drift(&self) -> Vec<String> {
        self.0.drift.clone()
    }

    /// The hosts that do not answer, with the reasons. Their deckies are not verified.
    #[getter]
    fn unseen(&self) -> Vec<String> {
        self.0.unseen.clone()
    }

    /// The reasons on the host for lost packets. They are determined only if packets are lost.
    #[getter]
    fn causes(&self, py: Python<'_>) -> PyResult<Typed<convert::Causes>> {
        Typed::new(py, &self.0.causes)
    }

    /// How many deckies were only checked from inside, by reason.
    #[getter]
    fn inside_only(&self, py: Python<'_>) -> PyResult<Typed<convert::InsideOnlys>> {
        Typed::new(py, &self.0.inside_only)
    }

    /// Whether everything matches the maze: there are no deviations, no drift and no host that does not answer.
    #[getter]
    fn is_clean(&self) -> bool {
        self.0.is_clean()
    }

    /// Returns it as a dict, as `decnet verify --json` prints it.
    #[pyo3(signature = () -> "Document")]
    fn to_dict(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        convert::to_python(py, &self.0)
    }

    fn __repr__(&self) -> String {
        let report = &self.0;
        format!(
            "<VerifyReport: {} deckies, {} probes, {} deviation(s), {} drift step(s)>",
            report.deckies,
            report.probes,
            report.deviations.len(),
            report.drift.len()
        )
    }
}

/// Creates Python's report.
pub(crate) fn report(py: Python<'_>, report: decnet_engine::VerifyReport) -> PyResult<Py<PyAny>> {
    Ok(Py::new(py, VerifyReport(report))?.into_any())
}
