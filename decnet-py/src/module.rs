//! The members of the module.

use pyo3::prelude::*;

use crate::convert;

/// Returns the JSON Schema of a maze file.
#[pyfunction]
#[pyo3(signature = () -> "Document")]
fn schema(py: Python<'_>) -> PyResult<Py<PyAny>> {
    convert::from_value(py, &decnet_topology::document::schema())
}

/// The Rust part of `decnet`.
#[pymodule]
mod _decnet {
    #[pymodule_export]
    use super::schema;
    #[pymodule_export]
    use crate::{
        access::{CaptureReport, CopyReport, ExecResult},
        alloc::{IpAllocator, SubnetAllocator},
        catalog::Catalog,
        config::TopologyConfig,
        events::{AioEvents, Events},
        finding::Finding,
        generate::generate_topology,
        hosts::Host,
        logs::{AioLogs, LogItem, Logs},
        model::Topology,
        mutation::Mutation,
        open_agent::{AioAgent, PyAgent},
        open_engine::{AioEngine, PyEngine},
        open_repo::{AioRepo, PyRepo},
        operation::Operation,
        parts::{Decky, Edge, Lan},
        plan::{Outcome, Plan, Step},
        prepared::{AioPrepared, AioPreparedReap, Prepared, PreparedReap},
        report::Report,
        rows::{StoreOutcome, StoredTopology, TopologyRow},
        service::{Archetype, Service, ServiceField},
        simulated::Simulated,
        validate::validate_document,
        verification::VerifyReport,
    };

    #[pymodule_export]
    #[expect(non_upper_case_globals, reason = "the name that Python expects")]
    const __version__: &str = env!("CARGO_PKG_VERSION");
}
