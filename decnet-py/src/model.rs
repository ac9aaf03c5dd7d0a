//! The maze: immutable, so that threads can share it.

use std::sync::Arc;

use decnet_topology::{
    Graph, Header, MutationContext, Name, Placement, Stage, Syntax, TopologyConfig as Config, ValidTopology,
    canonical_hash, document,
};
use pyo3::{
    exceptions::{PyKeyError, PyValueError},
    prelude::*,
    types::PyDict,
};

use crate::{
    argument::{FilePath, Text},
    catalog::Catalog,
    config::TopologyConfig,
    convert,
    document::UnparsedDocument,
    errors::Raise as _,
    mutation::Mutation,
    parts::{Decky, Edge, Lan},
    report::{Report, Rules, claims},
};

/// A complete, well-formed maze: LANs, deckies and attachments.
#[pyclass(frozen, eq, module = "decnet")]
pub(crate) struct Topology {
    header: Header,
    maze: Arc<decnet_topology::Topology>,
    /// The hosts that have its LANs and deckies, for pictures. It is not a part of the document.
    placement: Option<Placement>,
}

/// A maze is the same wherever it is placed.
impl PartialEq for Topology {
    fn eq(&self, other: &Self) -> bool {
        (&self.header, &self.maze) == (&other.header, &other.maze)
    }
}

impl Topology {
    /// Creates one from a generated maze and its config.
    pub(crate) fn drawn(maze: Arc<decnet_topology::Topology>, config: Config) -> Self {
        let header = Header {
            name: config.name().to_string(),
            config: Some(config),
            ..Header::default()
        };
        Self {
            header,
            maze,
            placement: None,
        }
    }

    /// Creates one from a parsed document.
    pub(crate) fn read((header, maze): (Header, decnet_topology::Topology)) -> Self {
        Self {
            header,
            maze: Arc::new(maze),
            placement: None,
        }
    }

    /// Creates one from a stored maze, which may be placed on hosts.
    pub(crate) fn stored(header: Header, maze: decnet_topology::Topology, placement: Option<Placement>) -> Self {
        Self {
            header,
            maze: Arc::new(maze),
            placement,
        }
    }

    /// Shares the maze.
    pub(crate) fn maze(&self) -> Arc<decnet_topology::Topology> {
        Arc::clone(&self.maze)
    }

    /// Returns the fields about the whole maze.
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the document.
    pub(crate) fn draft(&self) -> decnet_topology::Draft {
        decnet_topology::Draft {
            header: self.header.clone(),
            ..decnet_topology::Draft::from(&*self.maze)
        }
    }

    /// Returns its shape, with the hosts of a stored maze.
    fn graph(&self) -> Graph<'_> {
        Graph::new(&self.maze).placed(self.placement.as_ref())
    }

    fn print(&self, py: Python<'_>, syntax: Syntax) -> String {
        py.detach(|| document::print(&self.draft(), syntax))
    }
}

#[pymethods]
impl Topology {
    /// Reads a document from a dict, and completes it without reserved subnets, and with a catalogue.
    #[staticmethod]
    #[pyo3(signature = (document: "Document", *, reserved: "Subnets | None" = None, catalog = None))]
    fn from_dict(
        document: &Bound<'_, PyAny>,
        reserved: Option<&Bound<'_, PyAny>>,
        catalog: Option<&Bound<'_, Catalog>>,
    ) -> PyResult<Self> {
        UnparsedDocument::from_dict(document)?
            .resolve(document.py(), &Catalog::or_builtin(catalog.map(Bound::get)), reserved)
            .map(Self::read)
    }

    /// Reads a document in JSON, and completes it without reserved subnets, and with a catalogue.
    #[staticmethod]
    #[pyo3(signature = (text: "str", *, reserved: "Subnets | None" = None, catalog = None))]
    fn from_json(
        text: &Bound<'_, PyAny>,
        reserved: Option<&Bound<'_, PyAny>>,
        catalog: Option<&Bound<'_, Catalog>>,
    ) -> PyResult<Self> {
        UnparsedDocument::from_text(text, Syntax::Json)?
            .resolve(text.py(), &Catalog::or_builtin(catalog.map(Bound::get)), reserved)
            .map(Self::read)
    }

    /// Reads a document in YAML, and completes it without reserved subnets, and with a catalogue.
    #[staticmethod]
    #[pyo3(signature = (text: "str", *, reserved: "Subnets | None" = None, catalog = None))]
    fn from_yaml(
        text: &Bound<'_, PyAny>,
        reserved: Option<&Bound<'_, PyAny>>,
        catalog: Option<&Bound<'_, Catalog>>,
    ) -> PyResult<Self> {
        UnparsedDocument::from_text(text, Syntax::Yaml)?
            .resolve(text.py(), &Catalog::or_builtin(catalog.map(Bound::get)), reserved)
            .map(Self::read)
    }

    /// Reads a maze file, and completes it without reserved subnets, and with a catalogue.
    #[staticmethod]
    #[pyo3(signature = (path: "str | PathLike[str]", *, reserved: "Subnets | None" = None, catalog = None))]
    fn from_file(
        py: Python<'_>,
        path: FilePath,
        reserved: Option<&Bound<'_, PyAny>>,
        catalog: Option<&Bound<'_, Catalog>>,
    ) -> PyResult<Self> {
        UnparsedDocument::from_file(&path.take())?
            .resolve(py, &Catalog::or_builtin(catalog.map(Bound::get)), reserved)
            .map(Self::read)
    }

    /// Returns the document as a dict.
    #[pyo3(signature = () -> "Document")]
    fn to_dict(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let value = py.detach(|| document::to_value(&self.draft()));
        convert::from_value(py, &value)
    }

    /// Returns the document in JSON.
    fn to_json(&self, py: Python<'_>) -> String {
        self.print(py, Syntax::Json)
    }

    /// Returns the document in YAML.
    fn to_yaml(&self, py: Python<'_>) -> String {
        self.print(py, Syntax::Yaml)
    }

    /// The name of the topology.
    #[getter]
    fn name(&self) -> &str {
        &self.header.name
    }

    /// The config that it was generated from, if any.
    #[getter]
    fn config(&self) -> Option<TopologyConfig> {
        self.header.config.clone().map(TopologyConfig)
    }

    /// The LANs.
    #[getter]
    fn lans(&self) -> Vec<Lan> {
        self.maze.lans().iter().map(Lan::from).collect()
    }

    /// The deckies.
    #[getter]
    fn deckies(&self) -> Vec<Decky> {
        self.maze
            .deckies()
            .iter()
            .map(|decky| Decky::of(&self.maze, decky))
            .collect()
    }

    /// The attachments: decky, LAN and address.
    #[getter]
    fn edges(&self) -> Vec<Edge> {
        let edges = self.maze.edges();
        edges
            .filter_map(|(decky, attachment)| Edge::of(&self.maze, decky, attachment))
            .collect()
    }

    /// The DMZ; if there are several, the first.
    #[getter]
    fn dmz(&self) -> Option<Lan> {
        self.maze.dmz().map(Lan::from)
    }

    /// Returns the LAN with that name, ignoring case.
    #[pyo3(signature = (name: "str"))]
    fn lan(&self, name: Text) -> PyResult<Lan> {
        let text = name.take();
        let found = Name::new(&text).ok().and_then(|name| self.maze.lan_named(&name));
        found.map(Lan::from).ok_or_else(|| PyKeyError::new_err(text))
    }

    /// Returns the decky with that name, ignoring case.
    #[pyo3(signature = (name: "str"))]
    fn decky(&self, name: Text) -> PyResult<Decky> {
        let text = name.take();
        let found = Name::new(&text).ok().and_then(|name| self.maze.decky_named(&name));
        found
            .map(|decky| Decky::of(&self.maze, decky))
            .ok_or_else(|| PyKeyError::new_err(text))
    }

    /// Validates the maze.
    #[pyo3(
        signature = (rules: "Rules" = Text::new("deploy"), *, catalog = None, reserved: "Subnets | None" = None),
        text_signature = "($self, rules='deploy', *, catalog=None, reserved=None)"
    )]
    fn validate(
        &self,
        py: Python<'_>,
        rules: Text,
        catalog: Option<&Bound<'_, Catalog>>,
        reserved: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Report> {
        let rules = Rules::new(rules, catalog.map(Bound::get), reserved)?;
        Ok(py.detach(|| rules.validate(&self.maze)))
    }

    /// Computes the canonical hash. It includes only the fields that matter on Docker.
    fn canonical_hash(&self, py: Python<'_>) -> String {
        py.detach(|| canonical_hash(&self.maze).to_string())
    }

    /// Returns the routes that every decky needs, by its name.
    #[pyo3(signature = () -> "dict[str, list[Route]]")]
    fn routes(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let routes = py.detach(|| Graph::new(&self.maze).routes());
        let dict = PyDict::new(py);
        for decky in self.maze.deckies() {
            if let Some(routes) = routes.get(&decky.id()) {
                dict.set_item(decky.name().as_str(), convert::to_python(py, &**routes)?)?;
            }
        }
        Ok(dict.into_any().unbind())
    }

    /// Returns the LANs' names by their distance from the DMZ, in bridge deckies.
    fn layers(&self, py: Python<'_>) -> Vec<Vec<String>> {
        let layers = py.detach(|| Graph::new(&self.maze).layers());
        let named = |layer: Vec<_>| {
            let names = layer.into_iter().filter_map(|lan| self.maze.lan(lan));
            names.map(|lan| lan.name().to_string()).collect()
        };
        layers.into_iter().map(named).collect()
    }

    /// Draws the maze as a tree of LANs, as `decnet graph` does.
    ///
    /// All drawings of a `StoredTopology.topology` that is placed on hosts show them; those of a copy by its document do not.
    fn to_text(&self, py: Python<'_>) -> String {
        py.detach(|| self.graph().to_text())
    }

    /// Draws the maze for Graphviz.
    fn to_dot(&self, py: Python<'_>) -> String {
        py.detach(|| self.graph().to_dot())
    }

    /// Draws the maze for Mermaid.
    fn to_mermaid(&self, py: Python<'_>) -> String {
        py.detach(|| self.graph().to_mermaid())
    }

    /// Draws the maze as SVG, in light or dark colours as the reader prefers.
    fn to_svg(&self, py: Python<'_>) -> String {
        py.detach(|| self.graph().to_svg())
    }

    /// The picture in a notebook.
    fn _repr_svg_(&self, py: Python<'_>) -> String {
        self.to_svg(py)
    }

    /// Returns how many deckies an intruder must take over to reach each LAN and decky, and what is lost with each decky, as
    /// `decnet graph --analyse --json` does.
    #[pyo3(signature = () -> "Document")]
    fn analysis(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let report = py.detach(|| serde_json::to_value(Graph::new(&self.maze).analysis().report()));
        convert::from_value(py, &report.map_err(|error| PyValueError::new_err(error.to_string()))?)
    }

    /// Returns the maze after a mutation; this one is unchanged.
    #[pyo3(signature = (mutation: "Mutation | Document", *, live = false, reserved: "Subnets | None" = None, catalog = None))]
    fn apply(
        &self,
        py: Python<'_>,
        mutation: &Bound<'_, PyAny>,
        live: bool,
        reserved: Option<&Bound<'_, PyAny>>,
        catalog: Option<&Bound<'_, Catalog>>,
    ) -> PyResult<Self> {
        let (mutation, claims) = (Mutation::read(mutation)?, claims(reserved)?);
        let catalog = Catalog::or_builtin(catalog.map(Bound::get));
        let config = self.header.config.as_ref();
        let applied = py.detach(|| {
            let stage = if live { Stage::Live } else { Stage::Pending };
            let default = MutationContext::new(&catalog, stage);
            let context = MutationContext {
                claims: &claims,
                pool: config.map_or(default.pool, Config::subnet_base_prefix),
                prefix: config.map_or(default.prefix, Config::lan_prefix),
                ..default
            };
            decnet_topology::apply(&self.maze, &mutation, &context).map(ValidTopology::into_topology)
        });
        let maze = applied.map_err(|error| error.raise(py))?;
        let header = Header {
            id: None,
            status: None,
            version: None,
            ..self.header.clone()
        };
        Ok(Self::read((header, maze)))
    }

    /// Returns the maze as a graph of networkx. LANs and deckies of a stored maze that is placed on hosts have a `host`.
    fn to_networkx<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        crate::network::graph(py, &self.maze, self.placement.as_ref())
    }

    /// The output in a notebook: a picture if possible.
    #[pyo3(signature = (include: "object" = None, exclude: "object" = None) -> "dict[str, str]")]
    fn _repr_mimebundle_(
        &self,
        py: Python<'_>,
        include: Option<&Bound<'_, PyAny>>,
        exclude: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let _ = (include, exclude);
        let bundle = serde_json::json!({
            "text/plain": self.__repr__(),
            "text/vnd.mermaid": self.to_mermaid(py),
            "image/svg+xml": self.to_svg(py),
        });
        convert::from_value(py, &bundle)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (String,))> {
        Ok((slf.get_type().getattr("from_json")?, (slf.get().to_json(slf.py()),)))
    }

    fn __repr__(&self) -> String {
        let (lans, deckies) = (self.maze.lans().len(), self.maze.deckies().len());
        format!("<Topology {:?}: {lans} LANs, {deckies} deckies>", self.header.name)
    }
}
