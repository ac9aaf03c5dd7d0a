//! Arguments whose faults are a `TypeError`, whatever is wrong with them.

use std::path::PathBuf;

use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    prelude::*,
};

use crate::convert;

/// A text.
pub(crate) struct Text(String);

impl Text {
    /// Takes a text, as the default of an argument.
    pub(crate) fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// Returns the text.
    pub(crate) fn take(self) -> String {
        self.0
    }
}

impl FromPyObject<'_, '_> for Text {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        convert::text(&object, "it").map(Self)
    }
}

/// The path of a file: a text, or what has one.
pub(crate) struct FilePath(PathBuf);

impl FilePath {
    /// Returns the path.
    pub(crate) fn take(self) -> PathBuf {
        self.0
    }
}

impl FromPyObject<'_, '_> for FilePath {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        object.extract().map(Self).map_err(|error: PyErr| {
            // A text that no path is made of: half a character, say.
            let unsayable = error.is_instance_of::<PyValueError>(object.py());
            if unsayable {
                PyTypeError::new_err(format!("it is no path: {error}"))
            } else {
                error
            }
        })
    }
}
