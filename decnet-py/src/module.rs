//! What the module holds.

use pyo3::prelude::*;

use crate::{
    alloc::{IpAllocator, SubnetAllocator},
    catalog::Catalog,
    config::TopologyConfig,
    convert,
    engine::EngineHandle,
    events::EventStream,
    finding::Finding,
    generate::generate_topology,
    model::Topology,
    mutation::Mutation,
    operation::Operation,
    parts::{Decky, Edge, Lan},
    plan::{Outcome, Plan, Step},
    repo::RepoHandle,
    report::Report,
    rows::{StoredTopology, TopologyRow},
    simulated::Simulated,
    tree,
    validate::validate_document,
};

/// Returns the JSON Schema of a maze file.
#[pyfunction]
fn schema(py: Python<'_>) -> PyResult<Py<PyAny>> {
    convert::from_value(py, &decnet_topology::document::schema())
}

/// The Rust half of `decnet`.
#[pymodule]
fn _decnet(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    tree::register(module)?;
    module.add_class::<Catalog>()?;
    module.add_class::<Decky>()?;
    module.add_class::<Edge>()?;
    module.add_class::<EngineHandle>()?;
    module.add_class::<EventStream>()?;
    module.add_class::<Finding>()?;
    module.add_class::<IpAllocator>()?;
    module.add_class::<Lan>()?;
    module.add_class::<Mutation>()?;
    module.add_class::<Operation>()?;
    module.add_class::<Outcome>()?;
    module.add_class::<Plan>()?;
    module.add_class::<RepoHandle>()?;
    module.add_class::<Report>()?;
    module.add_class::<Simulated>()?;
    module.add_class::<Step>()?;
    module.add_class::<StoredTopology>()?;
    module.add_class::<SubnetAllocator>()?;
    module.add_class::<Topology>()?;
    module.add_class::<TopologyConfig>()?;
    module.add_class::<TopologyRow>()?;
    module.add_function(wrap_pyfunction!(generate_topology, module)?)?;
    module.add_function(wrap_pyfunction!(schema, module)?)?;
    module.add_function(wrap_pyfunction!(validate_document, module)?)
}
