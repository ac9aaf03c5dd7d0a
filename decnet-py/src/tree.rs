//! The exceptions of `decnet`. Python declares them, so that their attributes have types.

use std::{io, path::Path};

use pyo3::{import_exception, prelude::*};

import_exception!(decnet._exceptions, AddressError);
import_exception!(decnet._exceptions, AgentMode);
import_exception!(decnet._exceptions, Ambiguous);
import_exception!(decnet._exceptions, Busy);
import_exception!(decnet._exceptions, DecnetError);
import_exception!(decnet._exceptions, DeployFailed);
import_exception!(decnet._exceptions, Differs);
import_exception!(decnet._exceptions, DockerError);
import_exception!(decnet._exceptions, DockerUnavailable);
import_exception!(decnet._exceptions, FileError);
import_exception!(decnet._exceptions, FileExists);
import_exception!(decnet._exceptions, FileNotFound);
import_exception!(decnet._exceptions, GenerateFailed);
import_exception!(decnet._exceptions, Interrupted);
import_exception!(decnet._exceptions, InvalidCatalog);
import_exception!(decnet._exceptions, InvalidConfig);
import_exception!(decnet._exceptions, InvalidName);
import_exception!(decnet._exceptions, InvalidTopology);
import_exception!(decnet._exceptions, LeftOnDocker);
import_exception!(decnet._exceptions, MutationQueued);
import_exception!(decnet._exceptions, MutationRejected);
import_exception!(decnet._exceptions, NeedsForce);
import_exception!(decnet._exceptions, NoDecoy);
import_exception!(decnet._exceptions, NotEditable);
import_exception!(decnet._exceptions, NotFound);
import_exception!(decnet._exceptions, NotShuffled);
import_exception!(decnet._exceptions, NotWell);
import_exception!(decnet._exceptions, OutputTooLarge);
import_exception!(decnet._exceptions, PermissionDenied);
import_exception!(decnet._exceptions, PlanChanged);
import_exception!(decnet._exceptions, PublishMapsNothing);
import_exception!(decnet._exceptions, QueueNotEmpty);
import_exception!(decnet._exceptions, RepoError);
import_exception!(decnet._exceptions, RepoFileNotFound);
import_exception!(decnet._exceptions, RepoPermissionDenied);
import_exception!(decnet._exceptions, TeardownFailed);
import_exception!(decnet._exceptions, TeardownUnrecorded);
import_exception!(decnet._exceptions, TimedOut);
import_exception!(decnet._exceptions, UnknownPart);
import_exception!(decnet._exceptions, UnknownService);
import_exception!(decnet._exceptions, VersionConflict);
import_exception!(decnet._exceptions, WrongStatus);

/// Sets the code of an exception. If that fails, the failure is returned.
pub(crate) fn coded(py: Python<'_>, error: PyErr, code: &str) -> PyErr {
    let set = error.value(py).setattr("code", code);
    set.err().unwrap_or(error)
}

/// Reports that a file cannot be read or written, as an `OSError` too.
pub(crate) fn of_file(py: Python<'_>, error: &io::Error, path: &Path, message: String) -> PyErr {
    let arguments = (error.raw_os_error(), message, path.as_os_str().to_owned());
    let raised = match error.kind() {
        io::ErrorKind::NotFound => FileNotFound::new_err(arguments),
        io::ErrorKind::PermissionDenied => PermissionDenied::new_err(arguments),
        _ => FileError::new_err(arguments),
    };
    coded(py, raised, "io")
}
