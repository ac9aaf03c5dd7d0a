//! The entries of a catalogue: services with their fields, and archetypes.

use std::collections::BTreeMap;

use pyo3::prelude::*;

use crate::convert::{self, Typed};

/// Converts values to texts.
fn texts(values: impl IntoIterator<Item: ToString>) -> Vec<String> {
    values.into_iter().map(|value| value.to_string()).collect()
}

/// A service that a decky may run.
#[pyclass(frozen, eq, module = "decnet")]
#[derive(PartialEq)]
pub(crate) struct Service(pub(crate) decnet_topology::Service);

#[pymethods]
impl Service {
    /// The name.
    #[getter]
    fn name(&self) -> &str {
        self.0.name.as_str()
    }

    /// The ports that visitors see, like `22/tcp`.
    #[getter]
    fn ports(&self) -> Vec<String> {
        texts(&self.0.ports)
    }

    /// The numbers of the ports on which its program listens, by the port that visitors see; only those that differ from it.
    #[getter]
    fn inside(&self) -> BTreeMap<String, u16> {
        let inside = self.0.inside.iter();
        inside.map(|(port, number)| (port.to_string(), *number)).collect()
    }

    /// The UDP ports to which it sends broadcasts and multicasts.
    #[getter]
    fn broadcast(&self) -> Vec<String> {
        texts(&self.0.broadcast)
    }

    /// The source of its image: `builtin`, or a dict with a `reference` or a folder to `build`.
    #[getter]
    fn image(&self, py: Python<'_>) -> PyResult<Typed<convert::ImageSource>> {
        Typed::new(py, &self.0.image)
    }

    /// The command that replaces the image's own; empty to keep that.
    #[getter]
    fn command(&self) -> Vec<String> {
        self.0.command.clone()
    }

    /// The text that a built-in responder sends to each visitor.
    #[getter]
    fn banner(&self) -> Option<&str> {
        self.0.banner.as_deref()
    }

    /// A version that a persona can pin; none if no version can be pinned.
    #[getter]
    fn version(&self) -> Option<&str> {
        self.0.version.as_deref()
    }

    /// The fields of its configuration.
    #[getter]
    fn fields(&self) -> Vec<ServiceField> {
        self.0.fields.iter().cloned().map(ServiceField).collect()
    }

    /// The capabilities that it keeps, without `CAP_`.
    #[getter]
    fn capabilities(&self) -> Vec<String> {
        texts(&self.0.capabilities)
    }

    /// Whether its root must be writable.
    #[getter]
    fn writable_root(&self) -> bool {
        self.0.writable_root
    }

    /// The folders that are writable and in memory, like `/run:size=16m`.
    #[getter]
    fn tmpfs(&self) -> Vec<String> {
        texts(&self.0.tmpfs)
    }

    /// The named volumes.
    #[getter]
    fn volumes(&self, py: Python<'_>) -> PyResult<Typed<convert::ServiceVolumes>> {
        Typed::new(py, &self.0.volumes)
    }

    /// The user that it runs as, `uid[:gid]`; none for the image's user, or 65534:65534 if that is root.
    #[getter]
    fn user(&self) -> Option<&str> {
        self.0.user.as_deref()
    }

    /// Its resource limits where they differ from the engine's defaults.
    #[getter]
    fn limits(&self, py: Python<'_>) -> PyResult<Typed<convert::ServiceLimits>> {
        Typed::new(py, &self.0.limits)
    }

    /// The system calls that it may make: `decnet`, `engine` or `unconfined`.
    #[getter]
    fn seccomp(&self, py: Python<'_>) -> PyResult<Typed<convert::SeccompMode>> {
        Typed::new(py, &self.0.seccomp)
    }

    /// Its environment.
    #[getter]
    fn environment(&self) -> BTreeMap<String, String> {
        self.0.environment.clone()
    }

    /// Whether one instance serves a whole installation. Such a service never runs on a decky.
    #[getter]
    fn singleton(&self) -> bool {
        self.0.singleton
    }

    /// The keys of the fields with the passwords that visitors can log in with. Without any, the service has no login.
    #[getter]
    fn login(&self) -> Vec<String> {
        self.0.login_fields().map(|field| field.key.clone()).collect()
    }

    /// The keys of a decky in a maze file that runs the service, with valid values.
    #[getter]
    fn example(&self, py: Python<'_>) -> PyResult<Typed<convert::Document>> {
        Typed::new(py, &self.0.example())
    }

    /// Returns it as a dict, as `decnet services --json` prints it.
    #[pyo3(signature = () -> "Document")]
    fn to_dict(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        convert::from_value(py, &self.0.described())
    }

    fn __repr__(&self) -> String {
        format!("<Service {:?}: {}>", self.name(), self.ports().join(" "))
    }
}

/// A field of a service's configuration.
#[pyclass(frozen, eq, module = "decnet")]
#[derive(PartialEq)]
pub(crate) struct ServiceField(decnet_topology::ServiceField);

#[pymethods]
impl ServiceField {
    /// The key in `service_config`.
    #[getter]
    fn key(&self) -> &str {
        &self.0.key
    }

    /// The type of its value.
    #[getter]
    #[pyo3(name = "type")]
    fn kind(&self, py: Python<'_>) -> PyResult<Typed<convert::FieldType>> {
        Typed::new(py, &self.0.kind)
    }

    /// The values that an enum may have.
    #[getter]
    fn options(&self) -> Vec<String> {
        self.0.options.clone()
    }

    /// The longest text in bytes; none if its value is not a text.
    #[getter]
    fn max_length(&self) -> Option<usize> {
        use decnet_topology::FieldType::{Password, String, Text};
        matches!(self.0.kind, String | Password | Text).then(|| self.0.text_limit())
    }

    /// The lowest whole number.
    #[getter]
    fn minimum(&self) -> Option<i64> {
        self.0.minimum
    }

    /// The highest whole number.
    #[getter]
    fn maximum(&self) -> Option<i64> {
        self.0.maximum
    }

    /// The default value; None if there is none.
    #[getter]
    fn default(&self, py: Python<'_>) -> PyResult<Typed<convert::Json>> {
        Typed::new(py, &self.0.default)
    }

    /// The purpose of the field.
    #[getter]
    fn help(&self) -> &str {
        &self.0.help
    }

    /// Returns it as a dict, without the keys that have no value.
    #[pyo3(signature = () -> "Document")]
    fn to_dict(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        convert::to_python(py, &self.0)
    }

    fn __repr__(&self) -> String {
        format!("<ServiceField {:?}: {}>", self.0.key, self.0.kind)
    }
}

/// A ready-made kind of host.
#[pyclass(frozen, eq, module = "decnet")]
#[derive(PartialEq)]
pub(crate) struct Archetype(pub(crate) decnet_topology::Archetype);

#[pymethods]
impl Archetype {
    /// The name in documents.
    #[getter]
    fn slug(&self) -> &str {
        &self.0.slug
    }

    /// The name for people.
    #[getter]
    fn title(&self) -> &str {
        &self.0.title
    }

    /// The services that such a host runs.
    #[getter]
    fn services(&self) -> Vec<String> {
        texts(&self.0.services)
    }

    /// The operating system that it pretends to run; none for that of the engine.
    #[getter]
    fn os(&self) -> Option<&str> {
        self.0.os.as_deref()
    }

    /// Returns it as a dict, as `decnet archetypes --json` prints it.
    #[pyo3(signature = () -> "Document")]
    fn to_dict(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        convert::to_python(py, &self.0)
    }

    fn __repr__(&self) -> String {
        format!("<Archetype {:?}: {}>", self.0.slug, self.services().join(" "))
    }
}
