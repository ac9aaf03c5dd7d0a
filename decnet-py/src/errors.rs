//! The only place that maps errors to exceptions.

use std::{error::Error, fmt::Display, io, iter::successors};

use decnet_engine::{
    AccessError, AgentError, EngineError, FleetError, JoinError, LogCursorError, LogTargetError, MutedError, PkiError,
    RuntimeError, StepFailure, describe_difference,
};
use decnet_topology::{
    AllocError, CatalogError, ConfigFault, DocumentError, Finding, GenerateError, Intent, InvalidConfig as ConfigError,
    MutationError, RepoError, ResolveError, ServiceNotFound, Status,
};
use pyo3::{IntoPyObjectExt as _, prelude::*};

use crate::{convert, finding, tree};

/// An error that becomes an exception.
pub(crate) trait Raise {
    /// Creates the exception.
    fn raise(&self, py: Python<'_>) -> PyErr;
}

/// Formats an error with its causes.
pub(crate) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let causes = successors(Some(error as &dyn Error), |error| (*error).source());
    let mut words: Vec<String> = causes.map(ToString::to_string).collect();
    // An error that repeats its cause's text is shown once.
    words.dedup();
    words.join(": ")
}

/// Sets the code and the attributes of an exception. If setting one fails, that failure is raised.
pub(crate) fn with<const N: usize>(
    py: Python<'_>,
    error: PyErr,
    code: &str,
    attributes: [(&str, PyResult<Py<PyAny>>); N],
) -> PyErr {
    for (name, value) in attributes {
        let set = value.and_then(|value| error.value(py).setattr(name, value));
        if let Err(fault) = set {
            return fault;
        }
    }
    tree::coded(py, error, code)
}

/// Reports the faults of a config.
pub(crate) fn invalid_config(py: Python<'_>, error: &ConfigError) -> PyErr {
    let raised = tree::InvalidConfig::new_err(error.to_string());
    with(
        py,
        raised,
        error.code(),
        [("faults", convert::to_python(py, &error.faults))],
    )
}

/// Reports that a config cannot be read.
pub(crate) fn unreadable_config(py: Python<'_>, message: String) -> PyErr {
    let faults = vec![ConfigFault {
        field: "*".into(),
        message,
    }];
    invalid_config(py, &ConfigError { faults })
}

/// Reports the findings of a maze or a document.
pub(crate) fn invalid_topology(py: Python<'_>, message: impl Display, code: &str, findings: &[Finding]) -> PyErr {
    let raised = tree::InvalidTopology::new_err(message.to_string());
    with(
        py,
        raised,
        code,
        [("findings", finding::list(findings).into_py_any(py))],
    )
}

/// Reports that a mutation cannot be read.
pub(crate) fn unreadable_mutation(py: Python<'_>, message: String) -> PyErr {
    MutationError::Syntax { message }.raise(py)
}

/// Reports that a store or an engine is closed, or cannot be used in this process.
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
        let raised = match self {
            Self::Config(error) => return invalid_config(py, error),
            Self::Subnets { .. } | Self::Addresses { .. } => tree::AddressError::new_err(with_causes(self)),
            error => tree::GenerateFailed::new_err(with_causes(error)),
        };
        with(py, raised, self.code(), [])
    }
}

impl Raise for AllocError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        with(py, tree::AddressError::new_err(with_causes(self)), self.code(), [])
    }
}

impl Raise for ResolveError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        let findings = match self {
            Self::Unsound { report } => report.findings(),
            _ => &[],
        };
        invalid_topology(py, with_causes(self), self.code(), findings)
    }
}

impl Raise for DocumentError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        invalid_topology(py, with_causes(self), self.code(), &self.findings)
    }
}

impl Raise for CatalogError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        let raised = tree::InvalidCatalog::new_err(with_causes(self));
        let findings = finding::list(&self.findings).into_py_any(py);
        with(py, raised, self.code(), [("findings", findings)])
    }
}

impl Raise for ServiceNotFound {
    fn raise(&self, py: Python<'_>) -> PyErr {
        with(py, tree::UnknownService::new_err(with_causes(self)), self.code(), [])
    }
}

impl Raise for MutationError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        let findings = match self {
            Self::ResultInvalid { report } => report.findings(),
            _ => &[],
        };
        mutation_rejected(py, with_causes(self), self.code(), findings)
    }
}

/// Reports that a mutation was rejected.
fn mutation_rejected(py: Python<'_>, message: String, code: &str, findings: &[Finding]) -> PyErr {
    let raised = tree::MutationRejected::new_err(message);
    with(
        py,
        raised,
        code,
        [("findings", finding::list(findings).into_py_any(py))],
    )
}

/// Returns the attributes of an error about a status.
fn of_status(py: Python<'_>, status: Status, intent: Option<Intent>) -> [(&'static str, PyResult<Py<PyAny>>); 2] {
    [
        ("status", convert::to_python(py, &status)),
        ("intent", convert::to_python(py, &intent)),
    ]
}

impl Raise for RepoError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        let (message, code) = (with_causes(self), self.code());
        match self {
            Self::VersionConflict { expected, current, .. } => {
                let attributes = [
                    ("expected", expected.get().into_py_any(py)),
                    ("current", current.get().into_py_any(py)),
                ];
                with(py, tree::VersionConflict::new_err(message), code, attributes)
            }
            Self::NotEditable { status, intent, .. } => {
                let raised = tree::NotEditable::new_err(message);
                with(py, raised, code, of_status(py, *status, *intent))
            }
            Self::NotDeletable { status, .. } => {
                let raised = tree::WrongStatus::new_err(message);
                with(py, raised, code, of_status(py, *status, None))
            }
            Self::LeaseHeld { lease, .. } => {
                let attributes = [("lease", convert::to_python(py, lease))];
                with(py, tree::Busy::new_err(message), code, attributes)
            }
            Self::NotFound { .. } | Self::MutationNotFound { .. } => {
                with(py, tree::NotFound::new_err(message), code, [])
            }
            Self::FolderMissing { folder } => {
                let raised = tree::RepoFileNotFound::new_err((NO_SUCH_FILE, message, folder.as_os_str().to_owned()));
                with(py, raised, code, [])
            }
            Self::Open { path, source } if is_not_permitted(source.as_ref()) => {
                let raised = tree::RepoPermissionDenied::new_err((NOT_PERMITTED, message, path.as_os_str().to_owned()));
                with(py, raised, code, [])
            }
            Self::ReadOnly => {
                let raised = tree::RepoPermissionDenied::new_err((NOT_PERMITTED, message));
                with(py, raised, code, [])
            }
            _ => with(py, tree::RepoError::new_err(message), code, []),
        }
    }
}

/// Returns whether the system does not permit the access.
fn is_not_permitted(error: &(dyn Error + 'static)) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

/// `ENOENT` of Linux.
const NO_SUCH_FILE: i32 = 2;
/// `EEXIST` of Linux.
const FILE_EXISTS: i32 = 17;
/// `EACCES` of Linux.
const NOT_PERMITTED: i32 = 13;

impl Raise for RuntimeError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        let endpoint = match self {
            Self::Unreachable { endpoint, .. } | Self::TooOld { endpoint, .. } => Some(endpoint),
            _ => None,
        };
        if let Self::Cancelled { .. } = self {
            let attributes = [
                ("rolled_back", true.into_py_any(py)),
                ("leftovers", Vec::<String>::new().into_py_any(py)),
                ("failures", Vec::<String>::new().into_py_any(py)),
            ];
            return with(
                py,
                tree::Interrupted::new_err(with_causes(self)),
                self.code(),
                attributes,
            );
        }
        if self.is_unreachable() {
            let attributes = [("endpoint", endpoint.into_py_any(py))];
            return with(
                py,
                tree::DockerUnavailable::new_err(with_causes(self)),
                self.code(),
                attributes,
            );
        }
        with(py, tree::DockerError::new_err(with_causes(self)), self.code(), [])
    }
}

impl Raise for FleetError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        let raised = match self {
            Self::Repo(error) => return error.raise(py),
            Self::NoHost { .. } => tree::NotFound::new_err(with_causes(self)),
            _ => tree::DecnetError::new_err(with_causes(self)),
        };
        with(py, raised, self.code(), [])
    }
}

impl Raise for JoinError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        match self {
            Self::Pki(error) => error.raise(py),
            _ => with(py, tree::DecnetError::new_err(with_causes(self)), self.code(), []),
        }
    }
}

impl Raise for PkiError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        let message = with_causes(self);
        match self {
            Self::NotRead { path, source } | Self::NotWritten { path, source } => {
                tree::coded(py, tree::of_file(py, source, path, message), self.code())
            }
            _ => with(py, tree::DecnetError::new_err(message), self.code(), []),
        }
    }
}

impl Raise for AgentError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        with(py, tree::DecnetError::new_err(with_causes(self)), self.code(), [])
    }
}

impl Raise for MutedError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        tree::coded(py, tree::DecnetError::new_err(self.to_string()), self.code())
    }
}

impl Raise for LogCursorError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        if let Self::Io { path, source } = self {
            return tree::of_file(py, source, path, with_causes(self));
        }
        with(py, tree::DecnetError::new_err(with_causes(self)), self.code(), [])
    }
}

impl Raise for AccessError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        let (message, code) = (with_causes(self), self.code());
        match self {
            Self::DestinationExists { path } => {
                let raised = tree::FileExists::new_err((FILE_EXISTS, message, path.as_os_str().to_owned()));
                with(py, raised, code, [])
            }
            Self::Write { path, source } => tree::coded(py, tree::of_file(py, source, path, message), code),
            _ => with(py, tree::DecnetError::new_err(message), code, []),
        }
    }
}

impl Raise for LogTargetError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        match self {
            Self::Store(error) => error.raise(py),
            Self::Io { path, source } => tree::of_file(py, source, path, with_causes(self)),
            _ => with(py, tree::DecnetError::new_err(with_causes(self)), self.code(), []),
        }
    }
}

impl Raise for EngineError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        let (message, code) = (with_causes(self), self.code());
        if let Some(incomplete) = incomplete(self, py) {
            return incomplete;
        }
        match self {
            Self::Repo(error) => error.raise(py),
            Self::Runtime(error) => error.raise(py),
            Self::Mutation(error) => error.raise(py),
            Self::RefusedAfterQueue {
                source: MutationError::ResultInvalid { report },
                ..
            } => mutation_rejected(py, message, code, report.findings()),
            Self::Config(error) => error.raise(py),
            Self::Generate(error) => error.raise(py),
            Self::Resolve(error) => error.raise(py),
            Self::Access(error) => error.raise(py),
            Self::Part(_) => with(py, tree::UnknownPart::new_err(message), code, []),
            Self::NotWell { part, reason } => {
                let attributes = [("part", part.into_py_any(py)), ("reason", reason.into_py_any(py))];
                with(py, tree::NotWell::new_err(message), code, attributes)
            }
            Self::NotShuffled { decky, .. } => {
                let attributes = [("decky", decky.as_str().into_py_any(py))];
                with(py, tree::NotShuffled::new_err(message), code, attributes)
            }
            Self::Invalid(invalid) => invalid_topology(py, message, code, invalid.report.findings()),
            Self::MutationRejected { .. } | Self::RefusedAfterQueue { .. } => mutation_rejected(py, message, code, &[]),
            Self::Busy { lease, .. } => {
                let attributes = [("lease", convert::to_python(py, lease))];
                with(py, tree::Busy::new_err(message), code, attributes)
            }
            Self::WrongStatus { status, intent, .. } => {
                let raised = tree::WrongStatus::new_err(message);
                with(py, raised, code, of_status(py, *status, *intent))
            }
            Self::PublishMapsNothing { rule } => {
                let raised = tree::PublishMapsNothing::new_err(message);
                with(py, raised, code, [("rule", rule.into_py_any(py))])
            }
            Self::AgentMode { host, .. } => {
                let raised = tree::AgentMode::new_err(message);
                with(py, raised, code, [("host", host.into_py_any(py))])
            }
            Self::NoDecoy => with(py, tree::NoDecoy::new_err(message), code, []),
            Self::InvalidName { .. } => with(py, tree::InvalidName::new_err(message), code, []),
            Self::Desired(_) => with(py, tree::UnknownService::new_err(message), code, []),
            Self::TimedOut { .. } => with(py, tree::TimedOut::new_err(message), code, []),
            Self::Plan(_) => with(py, tree::NeedsForce::new_err(message), code, []),
            Self::PlanChanged { .. } => with(py, tree::PlanChanged::new_err(message), code, []),
            Self::QueueNotEmpty { .. } => with(py, tree::QueueNotEmpty::new_err(message), code, []),
            Self::MutationQueued { mutation, state, .. } => {
                let raised = tree::MutationQueued::new_err(message);
                let attributes = [
                    ("mutation", mutation.get().into_py_any(py)),
                    ("state", convert::to_python(py, state)),
                ];
                with(py, raised, code, attributes)
            }
            Self::Differs { stored, wanted } => {
                let difference = describe_difference(stored, wanted, "wanted");
                let attributes = [
                    ("id", stored.row.id.to_string().into_py_any(py)),
                    ("status", convert::to_python(py, &stored.row.status)),
                    ("difference", difference.into_py_any(py)),
                ];
                with(py, tree::Differs::new_err(message), code, attributes)
            }
            _ => with(py, tree::DecnetError::new_err(message), code, []),
        }
    }
}

/// Returns the exception of work that may have left something on the runtime.
fn incomplete(error: &EngineError, py: Python<'_>) -> Option<PyErr> {
    let (message, code) = (with_causes(error), error.code());
    let leftover = |left: &Vec<String>| ("leftovers", left.into_py_any(py));
    let failed = |failures: &[StepFailure]| {
        let said: Vec<String> = failures.iter().map(|failure| with_causes(failure)).collect();
        ("failures", said.into_py_any(py))
    };
    let undone = |failures: &[StepFailure], left: &[String]| {
        let undone = failures.is_empty() && left.is_empty();
        ("rolled_back", undone.into_py_any(py))
    };
    Some(match error {
        EngineError::LeftOnRuntime { leftovers, .. } => {
            let raised = tree::LeftOnDocker::new_err(message);
            with(py, raised, code, [leftover(leftovers)])
        }
        EngineError::DeployFailed {
            failures,
            undo_failures,
            leftovers,
            ..
        } => {
            let attributes = [undone(undo_failures, leftovers), leftover(leftovers), failed(failures)];
            with(py, tree::DeployFailed::new_err(message), code, attributes)
        }
        EngineError::Interrupted {
            undo_failures,
            leftovers,
            ..
        } => {
            let attributes = [
                undone(undo_failures, leftovers),
                leftover(leftovers),
                failed(undo_failures),
            ];
            with(py, tree::Interrupted::new_err(message), code, attributes)
        }
        EngineError::TeardownUnrecorded { leftovers, source, .. } => {
            let attributes = [
                leftover(leftovers),
                ("failures", vec![with_causes(source)].into_py_any(py)),
            ];
            with(py, tree::TeardownUnrecorded::new_err(message), code, attributes)
        }
        EngineError::TeardownIncomplete {
            failures, leftovers, ..
        } => {
            let attributes = [leftover(leftovers), failed(failures)];
            with(py, tree::TeardownFailed::new_err(message), code, attributes)
        }
        _ => return None,
    })
}
