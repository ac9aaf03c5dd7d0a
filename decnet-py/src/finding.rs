//! Findings: faults and likely mistakes, as data.

use decnet_topology::{LineColumn, Severity, Target};
use pyo3::prelude::*;

use crate::convert::{self, Typed};

/// One fault or likely mistake.
#[pyclass(frozen, eq, hash, module = "decnet")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Finding {
    severity: Severity,
    /// The broken rule.
    #[pyo3(get)]
    code: &'static str,
    /// The fault, its place, and the fix, for people.
    #[pyo3(get)]
    message: String,
    target: Target,
    place: Option<LineColumn>,
}

#[pymethods]
impl Finding {
    /// Its severity: `error` or `warning`.
    #[getter]
    fn severity(&self, py: Python<'_>) -> PyResult<Typed<convert::Severity>> {
        Typed::new(py, &self.severity)
    }

    /// Its subject: a dict with a `kind` and the names.
    #[getter]
    fn target(&self, py: Python<'_>) -> PyResult<Typed<convert::Document>> {
        Typed::new(py, &self.target)
    }

    /// The line in the text of its document, from 1; none if it is not known.
    #[getter]
    fn line(&self) -> Option<usize> {
        self.place.map(|place| place.line)
    }

    /// The column in the line, from 1; none if it is not known.
    #[getter]
    fn column(&self) -> Option<usize> {
        self.place.map(|place| place.column)
    }

    /// Returns it as a dict.
    #[pyo3(signature = () -> "Document")]
    fn to_dict(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let Self {
            severity,
            code,
            message,
            target,
            place,
        } = self;
        let mut said = serde_json::json!({"severity": severity, "code": code, "message": message, "target": target});
        if let Some(LineColumn { line, column }) = place {
            said["line"] = (*line).into();
            said["column"] = (*column).into();
        }
        convert::from_value(py, &said)
    }

    fn __str__(&self) -> String {
        format!("{} {}: {}", self.severity, self.code, self.message)
    }

    fn __repr__(&self) -> String {
        format!("<Finding {self}>", self = self.__str__())
    }
}

impl From<&decnet_topology::Finding> for Finding {
    fn from(finding: &decnet_topology::Finding) -> Self {
        Self {
            severity: finding.severity,
            code: finding.code.as_str(),
            message: finding.message.clone(),
            target: finding.target.clone(),
            place: finding.place,
        }
    }
}

/// Converts findings to Python's.
pub(crate) fn list(findings: &[decnet_topology::Finding]) -> Vec<Finding> {
    findings.iter().map(Finding::from).collect()
}
