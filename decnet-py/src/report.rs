//! Reports, and the rules that create them.

use std::sync::Arc;

use decnet_topology::{
    Draft, Name, RuleSet, Severity, SubnetClaim, Surroundings, Topology, TopologyId, TopologyName, TopologyView,
};
use pyo3::{exceptions::PyTypeError, prelude::*, types::PyList};

use crate::{
    argument::Text,
    catalog::Catalog,
    convert::{self, Typed},
    finding::{Finding, list},
};

/// The findings of a validation, errors first.
#[pyclass(frozen, eq, module = "decnet")]
#[derive(PartialEq, Eq)]
pub(crate) struct Report(pub(crate) decnet_topology::Report);

#[pymethods]
impl Report {
    /// All findings.
    #[getter]
    fn findings(&self) -> Vec<Finding> {
        list(self.0.findings())
    }

    /// The errors, which must be fixed.
    #[getter]
    fn errors(&self) -> Vec<Finding> {
        self.0.errors().map(Finding::from).collect()
    }

    /// The warnings: valid, but probably not intended.
    #[getter]
    fn warnings(&self) -> Vec<Finding> {
        self.0.warnings().map(Finding::from).collect()
    }

    /// The number of errors, including those that are not listed.
    #[getter]
    fn error_count(&self) -> u64 {
        self.0.count(Severity::Error)
    }

    /// The number of warnings, including those that are not listed.
    #[getter]
    fn warning_count(&self) -> u64 {
        self.0.count(Severity::Warning)
    }

    /// Whether there are no errors; there may be warnings.
    #[getter]
    fn is_clean(&self) -> bool {
        self.0.is_clean()
    }

    /// Returns it as a dict.
    #[pyo3(signature = () -> "Document")]
    fn to_dict(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        convert::to_python(py, &self.0)
    }

    fn __iter__(&self, py: Python<'_>) -> PyResult<Typed<convert::Findings>> {
        let findings = PyList::new(py, self.findings())?;
        Ok(findings.try_iter()?.into_any().unbind().into())
    }

    fn __str__(&self) -> String {
        let lines: Vec<String> = self.0.findings().iter().map(ToString::to_string).collect();
        lines.join("\n")
    }

    fn __repr__(&self) -> String {
        format!(
            "<Report: {} error(s), {} warning(s)>",
            self.error_count(),
            self.warning_count()
        )
    }
}

/// Reads the name of a rule set.
fn rule_set(rules: &str) -> PyResult<RuleSet> {
    match rules {
        "deploy" => Ok(RuleSet::deploy()),
        "live" => Ok(RuleSet::live()),
        other => Err(PyTypeError::new_err(format!(
            "rules must be 'deploy' or 'live', not {other:?}"
        ))),
    }
}

/// The rules and surroundings of a validation.
pub(crate) struct Rules {
    set: RuleSet,
    catalog: Arc<decnet_topology::Catalog>,
    claims: Vec<SubnetClaim>,
}

impl Rules {
    /// Creates them from the arguments of a call.
    pub(crate) fn new(rules: Text, catalog: Option<&Catalog>, reserved: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        let rules = rule_set(&rules.take())?;
        Ok(Self {
            set: rules,
            catalog: Catalog::or_builtin(catalog),
            claims: claims(reserved)?,
        })
    }

    /// Validates a topology.
    pub(crate) fn validate(&self, maze: &Topology) -> Report {
        self.validate_view(maze)
    }

    /// Validates a draft.
    pub(crate) fn validate_draft(&self, draft: &Draft) -> Report {
        self.validate_view(draft)
    }

    fn validate_view<'a>(&self, maze: impl Into<TopologyView<'a>>) -> Report {
        let surroundings = Surroundings {
            claims: &self.claims,
            ..Surroundings::default()
        };
        Report(decnet_topology::validate_in(
            maze,
            &self.catalog,
            self.set,
            surroundings,
        ))
    }
}

/// Converts subnets to claims of other topologies.
pub(crate) fn claims(reserved: Option<&Bound<'_, PyAny>>) -> PyResult<Vec<SubnetClaim>> {
    let subnets = convert::subnets(reserved, "reserved")?;
    let (Ok(name), Ok(lan)) = (TopologyName::new("reserved"), Name::new("reserved")) else {
        return Ok(Vec::new());
    };
    let claim = |subnet| SubnetClaim {
        topology: TopologyId::nil(),
        name: name.clone(),
        lan: lan.clone(),
        subnet,
    };
    Ok(subnets.into_iter().map(claim).collect())
}
