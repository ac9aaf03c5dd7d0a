//! The catalogue of services and archetypes.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use decnet_topology::ServiceName;
use pyo3::prelude::*;

use crate::{
    argument::{self, FilePath, Text},
    convert,
    errors::Raise as _,
    service::{Archetype, Service},
    tree,
};

/// Read once, for all calls without a catalogue argument.
static BUILTIN: LazyLock<Arc<decnet_topology::Catalog>> =
    LazyLock::new(|| Arc::new(decnet_topology::Catalog::builtin()));

/// The catalogue of services and archetypes.
#[pyclass(frozen, eq, module = "decnet")]
#[derive(PartialEq)]
pub(crate) struct Catalog(Arc<decnet_topology::Catalog>);

impl Catalog {
    /// Returns the catalogue that was given, or the built-in one.
    pub(crate) fn or_builtin(given: Option<&Self>) -> Arc<decnet_topology::Catalog> {
        Arc::clone(given.map_or(&*BUILTIN, |catalog| &catalog.0))
    }
}

#[pymethods]
impl Catalog {
    /// Returns the catalogue that comes with DECNET.
    #[staticmethod]
    fn builtin() -> Self {
        Self(Self::or_builtin(None))
    }

    /// Reads a catalogue in TOML: it adds entries to the built-in one, or overrides them key by key.
    #[staticmethod]
    #[pyo3(signature = (text: "str"))]
    fn from_toml(text: &Bound<'_, PyAny>) -> PyResult<Self> {
        Self::builtin().extend(text)
    }

    /// Reads a file with a catalogue in TOML.
    #[staticmethod]
    #[pyo3(signature = (path: "str | PathLike[str]"))]
    fn from_file(py: Python<'_>, path: FilePath) -> PyResult<Self> {
        let path = path.take();
        let text = String::from_utf8(argument::read_file(&path)?);
        let text = text.map_err(|error| tree::InvalidCatalog::new_err(format!("{}: {error}", path.display())))?;
        // A build folder is relative to the file.
        let file = std::path::absolute(&path)?;
        let folder = file.parent().unwrap_or(&file);
        let catalog = Self::builtin().extended(py, &text)?;
        Ok(Self(Arc::new(
            (*catalog.0).clone().with_build_folders(|context| folder.join(context)),
        )))
    }

    /// Adds the entries of a catalogue in TOML, or overrides existing ones.
    #[pyo3(signature = (text: "str"))]
    fn extend(&self, text: &Bound<'_, PyAny>) -> PyResult<Self> {
        self.extended(text.py(), &convert::text(text, "a catalogue")?)
    }

    /// The services, by name.
    #[getter]
    fn services(&self) -> BTreeMap<String, Service> {
        let services = self.0.services();
        services
            .map(|service| (service.name.to_string(), Service(service.clone())))
            .collect()
    }

    /// Returns one service; an unknown name raises `UnknownService`.
    #[pyo3(signature = (name: "str"))]
    fn service(&self, py: Python<'_>, name: Text) -> PyResult<Service> {
        let service = self.0.find_service(&name.take()).map_err(|error| error.raise(py))?;
        Ok(Service(service.clone()))
    }

    /// The archetypes, by slug.
    #[getter]
    fn archetypes(&self) -> BTreeMap<String, Archetype> {
        let archetypes = self.0.archetypes();
        archetypes
            .map(|one| (one.slug.clone(), Archetype(one.clone())))
            .collect()
    }

    /// Returns the ports that two or more of the services use, each with these services.
    #[pyo3(signature = (services: "Iterable[str]"))]
    fn clashes(&self, services: &Bound<'_, PyAny>) -> PyResult<Vec<(String, Vec<String>)>> {
        let names: Vec<ServiceName> = convert::texts(services, "services")?
            .iter()
            .map(|name| ServiceName::new(name))
            .collect();
        let clashes = self.0.clashes(&names).into_iter();
        Ok(clashes
            .map(|(port, names)| (port.to_string(), names.iter().map(ToString::to_string).collect()))
            .collect())
    }

    fn __contains__(&self, service: Text) -> bool {
        self.0.service(&service.take()).is_some()
    }

    fn __repr__(&self) -> String {
        format!(
            "<Catalog: {} services, {} archetypes>",
            self.0.services().count(),
            self.0.archetypes().count()
        )
    }
}

impl Catalog {
    fn extended(&self, py: Python<'_>, text: &str) -> PyResult<Self> {
        let catalog = (*self.0).clone();
        let read = py.detach(|| catalog.extend_from_toml(text));
        read.map(|catalog| Self(Arc::new(catalog)))
            .map_err(|error| error.raise(py))
    }
}
