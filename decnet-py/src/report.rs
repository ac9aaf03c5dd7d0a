//! Findings and reports, and the rules that make them.

use decnet_topology::{
    RuleSet,
    finding::{self, Severity, Target},
    validate::{self, Surroundings},
};
use pyo3::{exceptions::PyTypeError, prelude::*};

use crate::{
    argument::Text,
    catalog::Catalog,
    convert,
    document::Written,
    model::{self, Topology},
};

/// One thing that is wrong, or looks wrong.
#[pyclass(frozen, eq, hash, module = "decnet")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Finding {
    /// How much it weighs: `error` or `warning`.
    #[pyo3(get)]
    severity: String,
    /// Which rule it breaks.
    #[pyo3(get)]
    code: &'static str,
    /// What, where, and what to do, for people.
    #[pyo3(get)]
    message: String,
    target: Target,
}

#[pymethods]
impl Finding {
    /// What it is about: a dict with a `kind` and the names.
    #[getter]
    fn target(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        convert::to_python(py, &self.target)
    }

    /// Returns it as a dict.
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

impl From<&finding::Finding> for Finding {
    fn from(finding: &finding::Finding) -> Self {
        Self {
            severity: finding.severity.to_string(),
            code: finding.code.as_str(),
            message: finding.message.clone(),
            target: finding.target.clone(),
        }
    }
}

/// Turns findings into Python's.
pub(crate) fn list(findings: &[finding::Finding]) -> Vec<Finding> {
    findings.iter().map(Finding::from).collect()
}

/// What the rules found, errors first.
#[pyclass(frozen, eq, module = "decnet")]
#[derive(PartialEq, Eq)]
pub(crate) struct Report(validate::Report);

#[pymethods]
impl Report {
    /// All that was found.
    #[getter]
    fn findings(&self) -> Vec<Finding> {
        list(self.0.findings())
    }

    /// What must be mended.
    #[getter]
    fn errors(&self) -> Vec<Finding> {
        self.0.errors().map(Finding::from).collect()
    }

    /// What works, but is most likely not meant.
    #[getter]
    fn warnings(&self) -> Vec<Finding> {
        self.0.warnings().map(Finding::from).collect()
    }

    /// Whether there is no error; there may be warnings.
    #[getter]
    fn is_clean(&self) -> bool {
        self.0.is_clean()
    }

    /// Returns it as a dict.
    fn to_dict(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        convert::to_python(py, &self.0)
    }

    fn __iter__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let findings = pyo3::types::PyList::new(py, self.findings())?;
        Ok(findings.try_iter()?.into_any().unbind())
    }

    fn __str__(&self) -> String {
        let lines: Vec<String> = self.0.findings().iter().map(ToString::to_string).collect();
        lines.join("\n")
    }

    fn __repr__(&self) -> String {
        let count = |severity| {
            self.0
                .findings()
                .iter()
                .filter(|finding| finding.severity == severity)
                .count()
        };
        format!(
            "<Report: {} error(s), {} warning(s)>",
            count(Severity::Error),
            count(Severity::Warning)
        )
    }
}

/// Reads the name of a rule set.
pub(crate) fn rule_set(rules: &str) -> PyResult<RuleSet> {
    match rules {
        "deploy" => Ok(RuleSet::deploy()),
        "live" => Ok(RuleSet::live()),
        other => Err(PyTypeError::new_err(format!(
            "rules are 'deploy' or 'live', not {other:?}"
        ))),
    }
}

/// Holds a topology to the rules, without the interpreter's lock.
pub(crate) fn of_topology(
    py: Python<'_>,
    topology: &Topology,
    rules: &str,
    catalog: Option<&Catalog>,
    reserved: Option<&Bound<'_, PyAny>>,
) -> PyResult<Report> {
    let (rules, catalog, claims) = (rule_set(rules)?, Catalog::or_builtin(catalog), model::claims(reserved)?);
    let maze = topology.maze();
    Ok(Report(py.detach(|| {
        let surroundings = Surroundings {
            claims: &claims,
            ..Surroundings::default()
        };
        validate::validate_in(&*maze, &catalog, rules, surroundings)
    })))
}

/// Holds a document to the rules as it stands: what it leaves open is no fault.
#[pyfunction]
#[pyo3(
    name = "validate",
    signature = (document, *, rules = Text::new("deploy"), catalog = None, reserved = None),
    text_signature = "(document, *, rules='deploy', catalog=None, reserved=None)"
)]
pub(crate) fn validate_document(
    document: &Bound<'_, PyAny>,
    rules: Text,
    catalog: Option<&Bound<'_, Catalog>>,
    reserved: Option<&Bound<'_, PyAny>>,
) -> PyResult<Report> {
    let py = document.py();
    let catalog = catalog.map(Bound::get);
    if let Ok(topology) = document.cast::<Topology>() {
        return of_topology(py, topology.get(), &rules.take(), catalog, reserved);
    }
    let (rules, catalog, claims) = (
        rule_set(&rules.take())?,
        Catalog::or_builtin(catalog),
        model::claims(reserved)?,
    );
    let written = Written::from_python(document)?;
    let report = py.detach(|| {
        let draft = written.parse()?;
        let surroundings = Surroundings {
            claims: &claims,
            ..Surroundings::default()
        };
        Ok(validate::validate_in(&draft, &catalog, rules, surroundings))
    });
    // A text that is no document breaks a rule as well.
    let report = report.or_else(|error: decnet_topology::document::DocumentError| {
        Ok::<_, PyErr>(validate::Report::new(error.findings))
    })?;
    Ok(Report(report))
}
