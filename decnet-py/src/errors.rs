//! The only place that maps errors to exceptions.

use std::{error::Error, fmt::Display, iter::successors};

use decnet_engine::{EngineError, RuntimeError, StepFailure};
use decnet_topology::{
    AllocError, CatalogError, ConfigFault, DocumentError, Finding, GenerateError, InvalidConfig as ConfigError,
    MutationError, RepoError, ResolveError,
};
use pyo3::{IntoPyObjectExt as _, prelude::*};

use crate::{convert, finding, tree};

/// An error that becomes an exception.
pub(crate) trait Raise {
    /// Creates the exception.
    fn raise(&self, py: Python<'_>) -> PyErr;
}

/// Formats an error with its causes.
fn said(error: &(dyn Error + 'static)) -> String {
    let causes = successors(Some(error as &dyn Error), |error| (*error).source());
    let mut words: Vec<String> = causes.map(ToString::to_string).collect();
    // An error that repeats its cause's text is shown once.
    words.dedup();
    words.join(": ")
}

/// Sets the attributes of an exception. If setting one fails, the exception is still raised.
fn with<const N: usize>(py: Python<'_>, error: PyErr, attributes: [(&str, PyResult<Py<PyAny>>); N]) -> PyErr {
    for (name, value) in attributes {
        let set = value.and_then(|value| error.value(py).setattr(name, value));
        if let Err(fault) = set {
            return fault;
        }
    }
    error
}

/// Reports the faults of a config.
pub(crate) fn invalid_config(py: Python<'_>, error: &ConfigError) -> PyErr {
    let raised = tree::InvalidConfig::new_err(error.to_string());
    with(py, raised, [("faults", convert::to_python(py, &error.faults))])
}

/// Reports that a config cannot be read.
pub(crate) fn unread_config(py: Python<'_>, message: String) -> PyErr {
    let faults = vec![ConfigFault {
        field: "*".into(),
        message,
    }];
    invalid_config(py, &ConfigError { faults })
}

/// Reports the findings of a maze or a document.
pub(crate) fn invalid_topology(py: Python<'_>, message: impl Display, findings: &[Finding]) -> PyErr {
    let raised = tree::InvalidTopology::new_err(message.to_string());
    with(py, raised, [("findings", finding::list(findings).into_py_any(py))])
}

/// Reports that a mutation cannot be read.
pub(crate) fn unread_mutation(py: Python<'_>, message: String) -> PyErr {
    MutationError::Syntax { message }.raise(py)
}

/// Reports that a store cannot be used.
pub(crate) fn unusable(message: impl Display) -> PyErr {
    tree::RepoError::new_err(message.to_string())
}

impl Raise for ConfigError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        invalid_config(py, self)
    }
}

impl Raise for GenerateError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        match self {
            Self::Config(error) => invalid_config(py, error),
            Self::Subnets { .. } | Self::Addresses { .. } => tree::AddressError::new_err(said(self)),
            error => tree::DecnetError::new_err(said(error)),
        }
    }
}

impl Raise for AllocError {
    fn raise(&self, _: Python<'_>) -> PyErr {
        tree::AddressError::new_err(said(self))
    }
}

impl Raise for ResolveError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        let findings = match self {
            Self::Unsound { report } => report.findings(),
            _ => &[],
        };
        invalid_topology(py, said(self), findings)
    }
}

impl Raise for DocumentError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        invalid_topology(py, said(self), &self.findings)
    }
}

impl Raise for CatalogError {
    fn raise(&self, _: Python<'_>) -> PyErr {
        tree::InvalidCatalog::new_err(said(self))
    }
}

impl Raise for MutationError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        let findings = match self {
            Self::ResultInvalid { report } => report.findings(),
            _ => &[],
        };
        let attributes = [
            ("code", self.code().into_py_any(py)),
            ("findings", finding::list(findings).into_py_any(py)),
        ];
        with(py, tree::MutationRejected::new_err(said(self)), attributes)
    }
}

impl Raise for RepoError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        match self {
            Self::VersionConflict { expected, current } => {
                let attributes = [
                    ("expected", expected.get().into_py_any(py)),
                    ("current", current.get().into_py_any(py)),
                ];
                with(py, tree::VersionConflict::new_err(said(self)), attributes)
            }
            Self::NotEditable { status, intent } => {
                let attributes = [
                    ("status", convert::to_python(py, status)),
                    ("intent", convert::to_python(py, intent)),
                ];
                with(py, tree::NotEditable::new_err(said(self)), attributes)
            }
            Self::LeaseHeld { lease } => with(
                py,
                tree::Busy::new_err(said(self)),
                [("lease", convert::to_python(py, lease))],
            ),
            error => tree::RepoError::new_err(said(error)),
        }
    }
}

impl Raise for RuntimeError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        let endpoint = match self {
            Self::Unreachable { endpoint, .. } | Self::TooOld { endpoint, .. } => Some(endpoint),
            _ => None,
        };
        if self.is_unreachable() {
            let attributes = [("endpoint", endpoint.into_py_any(py))];
            return with(py, tree::DockerUnavailable::new_err(said(self)), attributes);
        }
        tree::DockerError::new_err(said(self))
    }
}

impl Raise for EngineError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        let leftover = |left: &Vec<String>| ("leftovers", left.into_py_any(py));
        let failed = |failures: &[StepFailure]| {
            let said: Vec<String> = failures.iter().map(|failure| said(failure)).collect();
            ("failures", said.into_py_any(py))
        };
        let undone = |failures: &[StepFailure], left: &[String]| {
            let undone = failures.is_empty() && left.is_empty();
            ("rolled_back", undone.into_py_any(py))
        };
        match self {
            Self::Repo(error) => error.raise(py),
            Self::Runtime(error) => error.raise(py),
            Self::Mutation(error) => error.raise(py),
            Self::Invalid(invalid) => invalid_topology(py, said(invalid), invalid.report.findings()),
            Self::Busy { lease } => with(
                py,
                tree::Busy::new_err(said(self)),
                [("lease", convert::to_python(py, lease))],
            ),
            Self::WrongStatus { status, intent, .. } => {
                let attributes = [
                    ("status", convert::to_python(py, status)),
                    ("intent", convert::to_python(py, intent)),
                ];
                with(py, tree::NotEditable::new_err(said(self)), attributes)
            }
            Self::PublishMapsNothing { .. } => tree::InvalidConfig::new_err(said(self)),
            Self::Plan(_) => tree::NeedsForce::new_err(said(self)),
            Self::PlanChanged { .. } => tree::PlanChanged::new_err(said(self)),
            Self::DeployFailed {
                failures,
                undo_failures,
                leftovers,
                ..
            } => {
                let attributes = [undone(undo_failures, leftovers), leftover(leftovers), failed(failures)];
                with(py, tree::DeployFailed::new_err(said(self)), attributes)
            }
            Self::Interrupted {
                undo_failures,
                leftovers,
                ..
            } => {
                let attributes = [
                    undone(undo_failures, leftovers),
                    leftover(leftovers),
                    failed(undo_failures),
                ];
                with(py, tree::Interrupted::new_err(said(self)), attributes)
            }
            Self::TeardownUnrecorded { leftovers, source, .. } => with(
                py,
                tree::TeardownFailed::new_err(said(self)),
                [
                    leftover(leftovers),
                    ("failures", vec![source.to_string()].into_py_any(py)),
                ],
            ),
            Self::TeardownIncomplete {
                failures, leftovers, ..
            } => with(
                py,
                tree::TeardownFailed::new_err(said(self)),
                [leftover(leftovers), failed(failures)],
            ),
            error => tree::DecnetError::new_err(said(error)),
        }
    }
}
