//! The parameters of a generated maze.

use decnet_topology::rng;
use pyo3::{exceptions::PyTypeError, prelude::*, types::PyDict};
use serde_json::Value;

use crate::{
    argument::Given,
    catalog::Catalog,
    convert::{self, Typed},
    errors::{self, Raise as _},
};

/// Calls a macro with the context, and the fields of a config with their types: the required ones, and those with defaults. The
/// seed is not among them.
macro_rules! config_fields {
    ($macro:ident $context:tt) => {
        $macro! {
            $context
            {name: "str", depth: "int", branching_factor: "int"}
            {
                mode: "Mode",
                deckies_per_lan_min: "int",
                deckies_per_lan_max: "int",
                bridge_forward_probability: "float",
                cross_edge_probability: "float",
                subnet_base_prefix: "str",
                lan_prefix: "int",
                randomize_services: "bool",
                services_explicit: "list[str] | tuple[str, ...] | None",
                dmz_gateway: "bool",
                services: "ServiceChoice",
                naming: "Naming"
            }
        }
    };
}
pub(crate) use config_fields;

/// Writes the constructor.
macro_rules! constructor {
    ({} {$($required:ident: $kind:tt),*} {$($field:ident: $hint:tt),*}) => {
        #[pymethods]
        impl TopologyConfig {
            /// Reads a config from its fields; all faults are reported at once.
            #[new]
            #[pyo3(
                signature = (*, $($required: $kind,)* $($field: $hint = Given::ABSENT,)* seed: "int | None" = Given::ABSENT, catalog = None),
                text_signature = "(*, name, depth, branching_factor, mode='unihost', deckies_per_lan_min=1, deckies_per_lan_max=3, bridge_forward_probability=1.0, cross_edge_probability=0.0, subnet_base_prefix='172.16.0.0/12', lan_prefix=24, randomize_services=True, services_explicit=None, dmz_gateway=False, services='random', naming='numbered', seed=None, catalog=None)"
            )]
            #[expect(clippy::too_many_arguments, reason = "Python passes them by name")]
            fn new(
                py: Python<'_>,
                $($required: Given<'_>,)*
                $($field: Given<'_>,)*
                seed: Given<'_>,
                catalog: Option<&Bound<'_, Catalog>>,
            ) -> PyResult<Self> {
                let given = [$((stringify!($required), $required),)* $((stringify!($field), $field),)* ("seed", seed)];
                let fields = fields(py, given)?.unwrap_or_else(|| PyDict::new(py));
                read(fields.as_any(), &Catalog::or_builtin(catalog.map(Bound::get)))
            }
        }
    };
}

config_fields!(constructor {});

/// Returns the fields that were given; none if there are none.
pub(crate) fn fields<'py, const N: usize>(
    py: Python<'py>,
    given: [(&str, Given<'py>); N],
) -> PyResult<Option<Bound<'py, PyDict>>> {
    let fields = PyDict::new(py);
    for (name, given) in given {
        if let Some(object) = given.take() {
            fields.set_item(name, object)?;
        }
    }
    Ok((!fields.is_empty()).then_some(fields))
}

/// The parameters of a generated maze: checked, complete, and with the seed.
#[pyclass(frozen, eq, module = "decnet")]
#[derive(PartialEq)]
pub(crate) struct TopologyConfig(pub(crate) decnet_topology::TopologyConfig);

#[pymethods]
impl TopologyConfig {
    /// Reads a config from a dict.
    #[staticmethod]
    #[pyo3(signature = (fields: "Document", *, catalog = None))]
    fn from_dict(fields: &Bound<'_, PyAny>, catalog: Option<&Bound<'_, Catalog>>) -> PyResult<Self> {
        if !fields.is_instance_of::<PyDict>() {
            return Err(PyTypeError::new_err(format!(
                "a config must be a dict, not {}",
                convert::kind(fields)
            )));
        }
        read(fields, &Catalog::or_builtin(catalog.map(Bound::get)))
    }

    /// Returns all fields, including the seed.
    #[pyo3(signature = () -> "Document")]
    fn to_dict(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        convert::to_python(py, &self.0)
    }

    /// Returns the same config with another seed.
    #[pyo3(signature = (seed: "int"))]
    fn with_seed(&self, seed: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self(self.0.clone().with_seed(read_seed(seed)?)))
    }

    /// The name of the topology.
    #[getter]
    fn name(&self) -> &str {
        self.0.name().as_str()
    }

    /// Where its deckies run.
    #[getter]
    fn mode(&self, py: Python<'_>) -> PyResult<Typed<convert::Mode>> {
        Typed::new(py, &self.0.mode())
    }

    /// The number of levels below the DMZ.
    #[getter]
    fn depth(&self) -> u8 {
        self.0.depth()
    }

    /// The largest number of children of a LAN.
    #[getter]
    fn branching_factor(&self) -> u8 {
        self.0.branching_factor()
    }

    /// The smallest number of deckies of a LAN that is not the DMZ; at least one.
    #[getter]
    fn deckies_per_lan_min(&self) -> u8 {
        *self.0.deckies_per_lan().start()
    }

    /// The largest number of deckies of a LAN that is not the DMZ.
    #[getter]
    fn deckies_per_lan_max(&self) -> u8 {
        *self.0.deckies_per_lan().end()
    }

    /// The probability that the decky that joins a LAN to its parent forwards packets.
    #[getter]
    fn bridge_forward_probability(&self) -> f64 {
        self.0.bridge_forward_probability()
    }

    /// The probability that a decky of a LAN is also attached to a LAN elsewhere.
    #[getter]
    fn cross_edge_probability(&self) -> f64 {
        self.0.cross_edge_probability()
    }

    /// The pool for subnets.
    #[getter]
    fn subnet_base_prefix(&self) -> String {
        self.0.subnet_base_prefix().to_string()
    }

    /// The length of a subnet.
    #[getter]
    fn lan_prefix(&self) -> u8 {
        self.0.lan_prefix()
    }

    /// Whether services are chosen at random if none are named.
    #[getter]
    fn randomize_services(&self) -> bool {
        self.0.randomize_services()
    }

    /// How the services of deckies are chosen if none are named.
    #[getter]
    fn services(&self, py: Python<'_>) -> PyResult<Typed<convert::ServiceChoice>> {
        Typed::new(py, &self.0.services())
    }

    /// How deckies are named.
    #[getter]
    fn naming(&self, py: Python<'_>) -> PyResult<Typed<convert::Naming>> {
        Typed::new(py, &self.0.naming())
    }

    /// The services that every decky runs; none if they are chosen at random.
    #[getter]
    fn services_explicit(&self) -> Option<Vec<String>> {
        let services = self.0.services_explicit()?;
        Some(services.iter().map(ToString::to_string).collect())
    }

    /// Whether the DMZ's decky is a gateway.
    #[getter]
    fn dmz_gateway(&self) -> bool {
        self.0.dmz_gateway()
    }

    /// The seed.
    #[getter]
    fn seed(&self) -> u64 {
        self.0.seed()
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Py<PyAny>,))> {
        let py = slf.py();
        Ok((slf.get_type().getattr("from_dict")?, (slf.get().to_dict(py)?,)))
    }

    fn __repr__(&self) -> String {
        let Self(config) = self;
        format!(
            "<TopologyConfig {:?}: depth {}, branching factor {}, seed {}>",
            config.name().as_str(),
            config.depth(),
            config.branching_factor(),
            config.seed()
        )
    }
}

/// Reads a config from a dict.
pub(crate) fn read(fields: &Bound<'_, PyAny>, catalog: &decnet_topology::Catalog) -> PyResult<TopologyConfig> {
    let py = fields.py();
    let value =
        convert::to_value(fields).map_err(|unfit| unfit.raise(|message| errors::unreadable_config(py, message)))?;
    let config = decnet_topology::TopologyConfig::from_value(&value, catalog, rng::os_seed);
    config.map(TopologyConfig).map_err(|error| error.raise(py))
}

/// Reads a seed.
pub(crate) fn read_seed(seed: &Bound<'_, PyAny>) -> PyResult<u64> {
    let py = seed.py();
    let message = || format!("a seed must be a whole number from 0 to {}", u64::MAX);
    match convert::to_value(seed) {
        Ok(Value::Number(number)) => number.as_u64().ok_or_else(|| errors::unreadable_config(py, message())),
        Err(convert::Unfit::Value(_)) => Err(errors::unreadable_config(py, message())),
        _ => Err(PyTypeError::new_err(message())),
    }
}
