//! Maze files as dicts, texts and paths.

use std::path::Path;

use decnet_topology::{
    Catalog, DocumentError, Draft, Finding, Header, Report, SubnetPool, Syntax, Target, Topology, document,
};
use pyo3::{exceptions::PyTypeError, prelude::*, types::PyDict, types::PyString};
use serde_json::Value;

use crate::{
    argument::{self, FilePath},
    convert,
    errors::Raise,
};

/// A document before it is parsed.
pub(crate) enum UnparsedDocument {
    /// A dict. Its findings have no lines and columns.
    Dict(Value),
    /// A text.
    Text(Vec<u8>, Syntax),
}

impl UnparsedDocument {
    /// Takes a dict, the text of a document, or the path of a file.
    pub(crate) fn from_python(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        if object.is_instance_of::<PyDict>() {
            return Self::from_dict(object);
        }
        if object.is_instance_of::<PyString>() {
            return Self::from_text(object, Syntax::Auto);
        }
        if object.hasattr("__fspath__")? {
            return Self::from_file(&object.extract::<FilePath>()?.take());
        }
        let kind = convert::kind(object);
        Err(PyTypeError::new_err(format!(
            "a document must be a dict, a str or a path, not {kind}"
        )))
    }

    /// Takes a dict.
    pub(crate) fn from_dict(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = object.py();
        if !object.is_instance_of::<PyDict>() {
            let kind = convert::kind(object);
            return Err(PyTypeError::new_err(format!("a document must be a dict, not {kind}")));
        }
        let value = convert::to_value(object).map_err(|unfit| unfit.raise(|message| unreadable(py, &message)))?;
        Ok(Self::Dict(value))
    }

    /// Takes a text.
    pub(crate) fn from_text(object: &Bound<'_, PyAny>, syntax: Syntax) -> PyResult<Self> {
        let Ok(text) = object.cast::<PyString>() else {
            let kind = convert::kind(object);
            return Err(PyTypeError::new_err(format!(
                "the text of a document must be a str, not {kind}"
            )));
        };
        match convert::text_of(text) {
            Ok(text) => Ok(Self::Text(text.into_bytes(), syntax)),
            Err(unfit) => Err(unfit.raise(|message| unreadable(object.py(), &message))),
        }
    }

    /// Reads a file.
    pub(crate) fn from_file(path: &Path) -> PyResult<Self> {
        let text = argument::read_file(path)?;
        Ok(Self::Text(text, Syntax::of_file(path)))
    }

    /// Parses the document.
    pub(crate) fn parse(&self) -> Result<Draft, DocumentError> {
        match self {
            Self::Text(text, syntax) => document::parse(text, *syntax),
            Self::Dict(value) => document::from_value(value),
        }
    }

    /// Adds the places in the text to findings.
    pub(crate) fn locate(&self, report: Report) -> Report {
        let Self::Text(text, syntax) = self else {
            return report;
        };
        let mut findings = report.into_findings();
        document::locate(&mut findings, text, *syntax);
        Report::new(findings)
    }

    /// Parses the document and completes it to a maze without reserved subnets.
    pub(crate) fn resolve(
        &self,
        py: Python<'_>,
        catalog: &Catalog,
        reserved: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<(Header, Topology)> {
        let claims = SubnetPool::without(convert::subnets(reserved, "reserved")?);
        let read = py.detach(|| {
            let draft = self.parse().map_err(refusal)?;
            let maze = draft.resolve(catalog, &claims).map_err(refusal)?;
            Ok((draft.header, maze))
        });
        read.map_err(|refusal: Refusal| refusal.raise(py))
    }
}

/// The reason why a document did not become a topology.
type Refusal = Box<dyn Raise + Send>;

fn refusal(error: impl Raise + Send + 'static) -> Refusal {
    Box::new(error)
}

/// Reports that an object cannot be a document.
fn unreadable(py: Python<'_>, message: &str) -> PyErr {
    let target = Target::Document {
        path: String::new(),
        line: None,
        column: None,
    };
    let finding = Finding::new(decnet_topology::Code::DocType, target, message);
    DocumentError {
        findings: vec![finding],
    }
    .raise(py)
}
