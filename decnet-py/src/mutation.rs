//! One change to a maze, as data.

use pyo3::{exceptions::PyTypeError, prelude::*, types::PyDict};
use serde_json::{Map, Value, json};

use crate::{
    convert,
    errors::{self, Raise as _},
};

/// One change to a maze: `{"op": …, "payload": {…}}`.
#[pyclass(frozen, eq, module = "decnet")]
#[derive(PartialEq)]
pub(crate) struct Mutation(decnet_topology::Mutation);

impl Mutation {
    /// Wraps a mutation.
    pub(crate) fn new(mutation: decnet_topology::Mutation) -> Self {
        Self(mutation)
    }

    /// Accepts a mutation, or a dict with one.
    pub(crate) fn read(object: &Bound<'_, PyAny>) -> PyResult<decnet_topology::Mutation> {
        match object.cast::<Self>() {
            Ok(mutation) => Ok(mutation.get().0.clone()),
            Err(_) => Ok(Self::from_dict(object)?.0),
        }
    }
}

#[pymethods]
impl Mutation {
    /// Reads a mutation from a dict.
    #[staticmethod]
    #[pyo3(signature = (document: "Document"))]
    fn from_dict(document: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = document.py();
        if !document.is_instance_of::<PyDict>() {
            return Err(PyTypeError::new_err(format!(
                "a mutation must be a dict, not {}",
                convert::kind(document)
            )));
        }
        let value = convert::to_value(document)
            .map_err(|unfit| unfit.raise(|message| errors::unreadable_mutation(py, message)))?;
        decnet_topology::Mutation::from_value(&value)
            .map(Self)
            .map_err(|error| error.raise(py))
    }

    /// Reads a mutation from JSON.
    #[staticmethod]
    #[pyo3(signature = (text: "str"))]
    fn from_json(text: &Bound<'_, PyAny>) -> PyResult<Self> {
        let written = convert::text(text, "a mutation")?;
        decnet_topology::Mutation::from_json(&written)
            .map(Self)
            .map_err(|error| error.raise(text.py()))
    }

    /// Returns it as a dict.
    #[pyo3(signature = () -> "Document")]
    fn to_dict(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        convert::to_python(py, &self.0)
    }

    /// The op.
    #[getter]
    fn op(&self) -> &str {
        self.0.op()
    }

    /// The name of the LAN or decky that it changes.
    #[getter]
    fn subject(&self) -> &str {
        self.0.subject().as_str()
    }

    /// Returns the JSON Schema of a mutation.
    #[staticmethod]
    #[pyo3(signature = () -> "Document")]
    fn schema(py: Python<'_>) -> PyResult<Py<PyAny>> {
        convert::from_value(py, &decnet_topology::Mutation::schema())
    }

    /// Adds a LAN.
    #[staticmethod]
    #[pyo3(signature = (name: "str", *, subnet: "Subnet | None" = None, is_dmz: "bool | None" = None, x: "float | None" = None, y: "float | None" = None))]
    fn add_lan(
        name: &Bound<'_, PyAny>,
        subnet: Option<&Bound<'_, PyAny>>,
        is_dmz: Option<&Bound<'_, PyAny>>,
        x: Option<&Bound<'_, PyAny>>,
        y: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        made(
            "add_lan",
            &[
                ("name", Some(name)),
                ("subnet", subnet),
                ("is_dmz", is_dmz),
                ("x", x),
                ("y", y),
            ],
            &[],
        )
    }

    /// Removes a LAN that is not the home of a decky, and the attachments to it.
    #[staticmethod]
    #[pyo3(signature = (name: "str"))]
    fn remove_lan(name: &Bound<'_, PyAny>) -> PyResult<Self> {
        made("remove_lan", &[("name", Some(name))], &[])
    }

    /// Adds a decky with its home.
    #[staticmethod]
    #[expect(clippy::too_many_arguments, reason = "one argument per key of the op")]
    #[pyo3(signature = (name: "str", lan: "str", *, services: "list[str] | None" = None, service_config: "dict[str, Document] | None" = None, archetype: "str | None" = None, persona: "Document | None" = None, forwards_l3: "bool | None" = None, ip: "Address | None" = None, x: "float | None" = None, y: "float | None" = None))]
    fn add_decky(
        name: &Bound<'_, PyAny>,
        lan: &Bound<'_, PyAny>,
        services: Option<&Bound<'_, PyAny>>,
        service_config: Option<&Bound<'_, PyAny>>,
        archetype: Option<&Bound<'_, PyAny>>,
        persona: Option<&Bound<'_, PyAny>>,
        forwards_l3: Option<&Bound<'_, PyAny>>,
        ip: Option<&Bound<'_, PyAny>>,
        x: Option<&Bound<'_, PyAny>>,
        y: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        made(
            "add_decky",
            &[
                ("name", Some(name)),
                ("lan", Some(lan)),
                ("services", services),
                ("service_config", service_config),
                ("archetype", archetype),
                ("persona", persona),
                ("forwards_l3", forwards_l3),
                ("ip", ip),
                ("x", x),
                ("y", y),
            ],
            &[],
        )
    }

    /// Attaches a decky to one more LAN.
    #[staticmethod]
    #[pyo3(signature = (decky: "str", lan: "str", *, ip: "Address | None" = None, forwards_l3: "bool | None" = None, force: "bool | None" = None))]
    fn attach_decky(
        decky: &Bound<'_, PyAny>,
        lan: &Bound<'_, PyAny>,
        ip: Option<&Bound<'_, PyAny>>,
        forwards_l3: Option<&Bound<'_, PyAny>>,
        force: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        made(
            "attach_decky",
            &[
                ("decky", Some(decky)),
                ("lan", Some(lan)),
                ("ip", ip),
                ("forwards_l3", forwards_l3),
                ("force", force),
            ],
            &[],
        )
    }

    /// Removes a membership that is not the home.
    #[staticmethod]
    #[pyo3(signature = (decky: "str", lan: "str"))]
    fn detach_decky(decky: &Bound<'_, PyAny>, lan: &Bound<'_, PyAny>) -> PyResult<Self> {
        made("detach_decky", &[("decky", Some(decky)), ("lan", Some(lan))], &[])
    }

    /// Removes a decky.
    #[staticmethod]
    #[pyo3(signature = (decky: "str"))]
    fn remove_decky(decky: &Bound<'_, PyAny>) -> PyResult<Self> {
        made("remove_decky", &[("decky", Some(decky))], &[])
    }

    /// Changes the workload or role of a decky; an empty archetype or persona removes it.
    #[staticmethod]
    #[expect(clippy::too_many_arguments, reason = "one argument per key of the op")]
    #[pyo3(signature = (decky: "str", *, services: "list[str] | None" = None, x: "float | None" = None, y: "float | None" = None, force: "bool | None" = None, service_config: "dict[str, Document] | None" = None, archetype: "str | None" = None, persona: "Document | None" = None, forwards_l3: "bool | None" = None))]
    fn update_decky(
        decky: &Bound<'_, PyAny>,
        services: Option<&Bound<'_, PyAny>>,
        x: Option<&Bound<'_, PyAny>>,
        y: Option<&Bound<'_, PyAny>>,
        force: Option<&Bound<'_, PyAny>>,
        service_config: Option<&Bound<'_, PyAny>>,
        archetype: Option<&Bound<'_, PyAny>>,
        persona: Option<&Bound<'_, PyAny>>,
        forwards_l3: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        made(
            "update_decky",
            &[
                ("decky", Some(decky)),
                ("services", services),
                ("x", x),
                ("y", y),
                ("force", force),
            ],
            &[
                ("service_config", service_config),
                ("archetype", archetype),
                ("persona", persona),
                ("forwards_l3", forwards_l3),
            ],
        )
    }

    /// Changes a LAN; in a running maze, only its position on the canvas.
    #[staticmethod]
    #[pyo3(signature = (name: "str", *, x: "float | None" = None, y: "float | None" = None, rename: "str | None" = None, subnet: "Subnet | None" = None, is_dmz: "bool | None" = None))]
    fn update_lan(
        name: &Bound<'_, PyAny>,
        x: Option<&Bound<'_, PyAny>>,
        y: Option<&Bound<'_, PyAny>>,
        rename: Option<&Bound<'_, PyAny>>,
        subnet: Option<&Bound<'_, PyAny>>,
        is_dmz: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        made(
            "update_lan",
            &[("name", Some(name)), ("x", x), ("y", y)],
            &[("name", rename), ("subnet", subnet), ("is_dmz", is_dmz)],
        )
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Py<PyAny>,))> {
        Ok((slf.get_type().getattr("from_dict")?, (slf.get().to_dict(slf.py())?,)))
    }

    fn __repr__(&self) -> String {
        format!("<Mutation {} {:?}>", self.op(), self.subject())
    }
}

/// The given keys of a mutation; `None` values are left out.
type Given<'a, 'py> = [(&'a str, Option<&'a Bound<'py, PyAny>>)];

/// Builds a mutation as on the wire, and parses it.
fn made(op: &str, payload: &Given<'_, '_>, patch: &Given<'_, '_>) -> PyResult<Mutation> {
    let (mut payload, mut patch) = (map(payload)?, map(patch)?);
    // An empty archetype or persona means none: there is nothing to set, and a patch removes it.
    let none = [("archetype", json!("")), ("persona", json!({}))];
    for (key, none) in none {
        if payload.get(key) == Some(&none) {
            payload.remove(key);
        }
        if patch.get(key) == Some(&none) {
            patch.insert(key.into(), Value::Null);
        }
    }
    if !patch.is_empty() {
        payload.insert("patch".into(), Value::Object(patch));
    }
    let read = decnet_topology::Mutation::from_value(&json!({"op": op, "payload": payload}));
    read.map(Mutation).map_err(|error| Python::attach(|py| error.raise(py)))
}

fn map(given: &Given<'_, '_>) -> PyResult<Map<String, Value>> {
    let given = given.iter().filter_map(|(key, object)| Some((*key, (*object)?)));
    let said = |(key, object): (&str, &Bound<'_, PyAny>)| {
        let value = match convert::address(object) {
            Some(text) => Ok(Value::String(text)),
            None => convert::to_value(object),
        };
        let value = value.map_err(|unfit| unfit.raise(|message| errors::unreadable_mutation(object.py(), message)))?;
        Ok((key.to_owned(), value))
    };
    given.map(said).collect()
}
