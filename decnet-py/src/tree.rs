//! The tree of exceptions under `DecnetError`.

use pyo3::{create_exception, exceptions::PyException, prelude::*};

create_exception!(
    decnet,
    DecnetError,
    PyException,
    "What DECNET refuses or cannot do. The root of its exceptions."
);
create_exception!(
    decnet,
    InvalidConfig,
    DecnetError,
    "A config has faults: all of them are in `faults`."
);
create_exception!(
    decnet,
    InvalidTopology,
    DecnetError,
    "A maze breaks rules, or a document is none: `findings` says how."
);
create_exception!(decnet, InvalidCatalog, DecnetError, "A catalogue file cannot be read.");
create_exception!(
    decnet,
    MutationRejected,
    DecnetError,
    "A mutation is none, or is refused. Nothing was changed."
);
create_exception!(
    decnet,
    AddressError,
    DecnetError,
    "An address or a subnet is none, or cannot be had."
);
create_exception!(
    decnet,
    VersionConflict,
    DecnetError,
    "The topology was edited in between. Nothing was changed."
);
create_exception!(
    decnet,
    NotEditable,
    DecnetError,
    "The topology's status does not allow it. Nothing was changed."
);
create_exception!(decnet, Busy, DecnetError, "Someone else is at work on the topology.");
create_exception!(
    decnet,
    NeedsForce,
    DecnetError,
    "What runs would be made anew, and nobody said that it may."
);
create_exception!(decnet, DockerError, DecnetError, "The Docker daemon refused.");
create_exception!(decnet, DockerUnavailable, DockerError, "No Docker daemon answers.");
create_exception!(
    decnet,
    DeployFailed,
    DecnetError,
    "A deploy failed; what it had done was undone, but for what is left over."
);
create_exception!(decnet, TeardownFailed, DecnetError, "A teardown left something.");
create_exception!(decnet, Interrupted, DecnetError, "An operation was called off.");
create_exception!(decnet, RepoError, DecnetError, "The store refused, or cannot be used.");

/// Registers the exceptions.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    let classes = [
        py.get_type::<DecnetError>(),
        py.get_type::<InvalidConfig>(),
        py.get_type::<InvalidTopology>(),
        py.get_type::<InvalidCatalog>(),
        py.get_type::<MutationRejected>(),
        py.get_type::<AddressError>(),
        py.get_type::<VersionConflict>(),
        py.get_type::<NotEditable>(),
        py.get_type::<Busy>(),
        py.get_type::<NeedsForce>(),
        py.get_type::<DockerError>(),
        py.get_type::<DockerUnavailable>(),
        py.get_type::<DeployFailed>(),
        py.get_type::<TeardownFailed>(),
        py.get_type::<Interrupted>(),
        py.get_type::<RepoError>(),
    ];
    for class in classes {
        module.add(class.name()?, &class)?;
    }
    Ok(())
}
