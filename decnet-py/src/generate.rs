//! The generation of mazes.

use std::sync::Arc;

use decnet_topology::TopologyConfig as Config;
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
    let catalog = Catalog::or_builtin(catalog.map(Bound::get));
    let config = self::config(py, config, seed, fields, &catalog)?;
    let reserved = convert::subnets(reserved, "reserved")?;
    let drawn = py.detach(|| decnet_topology::generate(&config, &catalog, &reserved));
    let maze = drawn.map_err(|error| error.raise(py))?;
    Ok(Topology::drawn(Arc::new(maze), config))
}

/// Reads a config, or config fields.
pub(crate) fn config(
    py: Python<'_>,
    config: Option<&Bound<'_, PyAny>>,
    seed: Option<&Bound<'_, PyAny>>,
    fields: Option<&Bound<'_, PyDict>>,
    catalog: &decnet_topology::Catalog,
) -> PyResult<Config> {
    let config = match (config, fields) {
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
    Ok(match seed {
        Some(seed) => config.with_seed(read_seed(seed)?),
        None => config,
    })
}
