//! The generation of mazes.

use std::sync::Arc;

use decnet_topology::TopologyConfig as Config;
use pyo3::{exceptions::PyTypeError, prelude::*, types::PyDict};

use crate::{
    argument::Given,
    catalog::Catalog,
    config::{TopologyConfig, config_fields, fields, read, read_seed},
    convert,
    errors::Raise as _,
    model::Topology,
};

/// Writes the function.
macro_rules! function {
    ({} {$($required:ident: $kind:tt),*} {$($field:ident: $hint:tt),*}) => {
        /// Generates the maze of a config, or of config fields.
        ///
        /// A config is a `TopologyConfig` or a dict. Without one, `name`, `depth` (1 to 16) and `branching_factor` (1 to 8) are
        /// required. `deckies_per_lan_min` is 0 to 32, `deckies_per_lan_max` 1 to 32, `lan_prefix` 16 to 29, and a probability 0 to 1.
        #[pyfunction]
        #[pyo3(
            name = "generate",
            signature = (config: "TopologyConfig | Document | None" = None, *, $($required: $kind = Given::ABSENT,)* $($field: $hint = Given::ABSENT,)* seed: "int | None" = None, reserved: "Subnets | None" = None, catalog = None),
            text_signature = "(config=None, *, name=..., depth=..., branching_factor=..., mode='unihost', deckies_per_lan_min=1, deckies_per_lan_max=3, bridge_forward_probability=1.0, cross_edge_probability=0.0, subnet_base_prefix='172.16.0.0/12', lan_prefix=24, randomize_services=True, services_explicit=None, dmz_gateway=False, services='random', naming='numbered', seed=None, reserved=None, catalog=None)"
        )]
        #[expect(clippy::too_many_arguments, reason = "Python passes them by name")]
        pub(crate) fn generate_topology(
            py: Python<'_>,
            config: Option<&Bound<'_, PyAny>>,
            $($required: Given<'_>,)*
            $($field: Given<'_>,)*
            seed: Option<&Bound<'_, PyAny>>,
            reserved: Option<&Bound<'_, PyAny>>,
            catalog: Option<&Bound<'_, Catalog>>,
        ) -> PyResult<Topology> {
            let given = [$((stringify!($required), $required),)* $((stringify!($field), $field),)*];
            let catalog = Catalog::or_builtin(catalog.map(Bound::get));
            let config = self::config(py, config, seed, fields(py, given)?.as_ref(), &catalog)?;
            let reserved = convert::subnets(reserved, "reserved")?;
            let drawn = py.detach(|| decnet_topology::generate(&config, &catalog, &reserved));
            let maze = drawn.map_err(|error| error.raise(py))?;
            Ok(Topology::drawn(Arc::new(maze), config))
        }
    };
}

config_fields!(function {});

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
