//! A maze as a graph of networkx.

use decnet_topology::{Placement, Topology};
use pyo3::{prelude::*, types::PyDict};

/// Builds the graph with the interpreter's networkx: nodes `("lan", name)` and `("decky", name)`, one edge per attachment.
/// What is placed on a host of a fleet has the attribute `host`.
pub(crate) fn graph<'py>(
    py: Python<'py>,
    maze: &Topology,
    placement: Option<&Placement>,
) -> PyResult<Bound<'py, PyAny>> {
    let graph = py.import("networkx")?.call_method0("Graph")?;
    for lan in maze.lans() {
        let attributes = PyDict::new(py);
        attributes.set_item("kind", "lan")?;
        attributes.set_item("subnet", lan.subnet().to_string())?;
        attributes.set_item("is_dmz", lan.is_dmz())?;
        if let Some(host) = placement.and_then(|placement| placement.lans.get(&lan.id())) {
            attributes.set_item("host", host.as_str())?;
        }
        graph.call_method("add_node", (("lan", lan.name().as_str()),), Some(&attributes))?;
    }
    for decky in maze.deckies() {
        let services: Vec<&str> = decky.services().iter().map(AsRef::as_ref).collect();
        let attributes = PyDict::new(py);
        attributes.set_item("kind", "decky")?;
        attributes.set_item("services", services)?;
        attributes.set_item("forwards_l3", decky.forwards_l3())?;
        attributes.set_item("is_gateway", maze.is_gateway(decky))?;
        if let Some(host) = placement.and_then(|placement| placement.deckies.get(&decky.id())) {
            attributes.set_item("host", host.as_str())?;
        }
        graph.call_method("add_node", (("decky", decky.name().as_str()),), Some(&attributes))?;
    }
    for (decky, attachment) in maze.edges() {
        if let Some(lan) = maze.lan(attachment.lan) {
            let attributes = PyDict::new(py);
            attributes.set_item("ip", attachment.ip.to_string())?;
            let ends = (("decky", decky.name().as_str()), ("lan", lan.name().as_str()));
            graph.call_method("add_edge", ends, Some(&attributes))?;
        }
    }
    Ok(graph)
}
