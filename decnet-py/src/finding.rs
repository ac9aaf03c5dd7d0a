//! Findings: faults and likely mistakes, as data.

use decnet_topology::{Severity, Target};
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

    /// Returns it as a dict.
    #[pyo3(signature = () -> "Document")]
    fn to_dict(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let Self {
            severity,
            code,
            message,
            target,
        } = self;
        let said = serde_json::json!({"severity": severity, "code": code, "message": message, "target": target});
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
        }
    }
}

/// Converts findings to Python's.
pub(crate) fn list(findings: &[decnet_topology::Finding]) -> Vec<Finding> {
    findings.iter().map(Finding::from).collect()
}
