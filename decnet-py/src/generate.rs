//! The generation of mazes.

use std::sync::Arc;

use pyo3::{exceptions::PyTypeError, prelude::*, types::PyDict};

use crate::{
    catalog::Catalog,
    config::{TopologyConfig, read, read_seed},
    convert,
    errors::Raise as _,
    model::Topology,
};

/// Generates the maze of a config, or of config fields.
#[pyfunction]
#[pyo3(name = "generate", signature = (config: "TopologyConfig | Document | None" = None, *, seed: "int | None" = None, reserved: "Subnets | None" = None, catalog = None, **fields: "Any"))]
pub(crate) fn generate_topology(
    py: Python<'_>,
    config: Option<&Bound<'_, PyAny>>,
    seed: Option<&Bound<'_, PyAny>>,
    reserved: Option<&Bound<'_, PyAny>>,
    catalog: Option<&Bound<'_, Catalog>>,
    fields: Option<&Bound<'_, PyDict>>,
) -> PyResult<Topology> {
    let catalog = catalog.map(Bound::get);
    let mut config = match (config, fields) {
        (Some(_), Some(_)) => return Err(PyTypeError::new_err("give a config or its fields, not both")),
        (Some(config), None) => match config.cast::<TopologyConfig>() {
            Ok(config) => config.get().0.clone(),
            Err(_) if config.is_instance_of::<PyDict>() => read(config, catalog)?.0,
            Err(_) => {
                let message = format!(
                    "a config must be a TopologyConfig or a dict, not {}",
                    convert::kind(config)
                );
                return Err(PyTypeError::new_err(message));
            }
        },
        (None, fields) => read(fields.map_or_else(|| PyDict::new(py), Clone::clone).as_any(), catalog)?.0,
    };
    if let Some(seed) = seed {
        config = config.with_seed(read_seed(seed)?);
    }
    let (catalog, reserved) = (Catalog::or_builtin(catalog), convert::subnets(reserved, "reserved")?);
    let drawn = py.detach(|| decnet_topology::generate(&config, &catalog, &reserved));
    let maze = drawn.map_err(|error| error.raise(py))?;
    Ok(Topology::drawn(Arc::new(maze), config))
}
