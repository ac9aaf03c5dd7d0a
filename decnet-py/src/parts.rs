//! The parts of a maze as Python objects.

use decnet_topology::Attachment;
use pyo3::prelude::*;

use crate::convert::{self, Typed};

/// One L2 segment with one IPv4 subnet.
#[pyclass(frozen, eq, get_all, module = "decnet")]
#[derive(Clone, PartialEq)]
pub(crate) struct Lan {
    /// The name.
    name: String,
    /// The subnet.
    subnet: String,
    /// The address of Docker's bridge.
    gateway: String,
    /// Whether outsiders may reach it.
    is_dmz: bool,
    /// The position on the canvas, to the right.
    x: Option<f64>,
    /// The position on the canvas, down.
    y: Option<f64>,
}

#[pymethods]
impl Lan {
    fn __repr__(&self) -> String {
        let dmz = if self.is_dmz { ", DMZ" } else { "" };
        format!("<Lan {:?}: {}{dmz}>", self.name, self.subnet)
    }
}

impl From<&decnet_topology::Lan> for Lan {
    fn from(lan: &decnet_topology::Lan) -> Self {
        Self {
            name: lan.name().to_string(),
            subnet: lan.subnet().to_string(),
            gateway: lan.gateway().to_string(),
            is_dmz: lan.is_dmz(),
            x: lan.position().x.map(f64::from),
            y: lan.position().y.map(f64::from),
        }
    }
}

/// A decky's membership in a LAN, with its address there.
#[pyclass(frozen, eq, hash, get_all, module = "decnet")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Edge {
    /// The decky.
    decky: String,
    /// The LAN.
    lan: String,
    /// The decky's address on it.
    ip: String,
}

#[pymethods]
impl Edge {
    fn __repr__(&self) -> String {
        format!("<Edge {:?} on {:?}: {}>", self.decky, self.lan, self.ip)
    }
}

impl Edge {
    /// Names the ends of an attachment.
    pub(crate) fn of(
        maze: &decnet_topology::Topology,
        decky: &decnet_topology::Decky,
        attachment: Attachment,
    ) -> Option<Self> {
        Some(Self {
            decky: decky.name().to_string(),
            lan: maze.lan(attachment.lan)?.name().to_string(),
            ip: attachment.ip.to_string(),
        })
    }
}

/// A decoy host.
#[pyclass(frozen, eq, module = "decnet")]
#[derive(PartialEq)]
pub(crate) struct Decky {
    inner: decnet_topology::Decky,
    /// Its attachments; the first is the home.
    #[pyo3(get)]
    attachments: Vec<Edge>,
    /// Whether it is a gateway: the host publishes the ports of its services.
    #[pyo3(get)]
    is_gateway: bool,
}

impl Decky {
    /// Copies a decky out of its maze.
    pub(crate) fn of(maze: &decnet_topology::Topology, decky: &decnet_topology::Decky) -> Self {
        let attachments = decky.attachments().iter();
        Self {
            inner: decky.clone(),
            attachments: attachments
                .filter_map(|attachment| Edge::of(maze, decky, *attachment))
                .collect(),
            is_gateway: maze.is_gateway(decky),
        }
    }
}

#[pymethods]
impl Decky {
    /// The name.
    #[getter]
    fn name(&self) -> &str {
        self.inner.name().as_str()
    }

    /// The services that it runs, in order.
    #[getter]
    fn services(&self) -> Vec<String> {
        self.inner.services().iter().map(ToString::to_string).collect()
    }

    /// The configuration of its services.
    #[getter]
    fn service_config(&self, py: Python<'_>) -> PyResult<Typed<convert::Documents>> {
        Typed::new(py, self.inner.service_config())
    }

    /// The archetype, if one was given.
    #[getter]
    fn archetype(&self) -> Option<&str> {
        self.inner.archetype()
    }

    /// What is pinned of the host that it pretends to be, if anything is.
    #[getter]
    fn persona(&self, py: Python<'_>) -> PyResult<Option<Typed<convert::Document>>> {
        self.inner.persona().map(|persona| Typed::new(py, persona)).transpose()
    }

    /// Whether it forwards packets between its LANs.
    #[getter]
    fn forwards_l3(&self) -> bool {
        self.inner.forwards_l3()
    }

    /// The first attachment.
    #[getter]
    fn home(&self) -> Option<Edge> {
        self.attachments.first().cloned()
    }

    /// Whether it is attached to two LANs or more.
    #[getter]
    fn is_bridge(&self) -> bool {
        self.inner.is_bridge()
    }

    /// Whether an intruder can route through it.
    #[getter]
    fn is_router(&self) -> bool {
        self.inner.is_router()
    }

    /// The position on the canvas, to the right.
    #[getter]
    fn x(&self) -> Option<f64> {
        self.inner.position().x.map(f64::from)
    }

    /// The position on the canvas, down.
    #[getter]
    fn y(&self) -> Option<f64> {
        self.inner.position().y.map(f64::from)
    }

    fn __repr__(&self) -> String {
        format!("<Decky {:?}: {}>", self.name(), self.services().join(" "))
    }
}
