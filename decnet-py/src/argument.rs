//! Arguments. An argument of the wrong type is a `TypeError`.

use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::SignedDuration;
use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    inspect::PyStaticExpr,
    prelude::*,
    types::PyBytes,
};

use crate::{convert, tree};

/// A text.
pub(crate) struct Text(String);

impl Text {
    /// Creates a text, for the default of an argument.
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
    const INPUT_TYPE: PyStaticExpr = PyStaticExpr::Name { id: "str" };

    fn extract(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        convert::text(&object, "it").map(Self)
    }
}

/// An argument that may be absent. None is different from an absent argument.
pub(crate) struct Given<'py>(Option<Bound<'py, PyAny>>);

impl<'py> Given<'py> {
    /// The default of an argument.
    pub(crate) const ABSENT: Self = Self(None);

    /// Returns the object, if it was given.
    pub(crate) fn take(self) -> Option<Bound<'py, PyAny>> {
        self.0
    }
}

impl<'py> FromPyObject<'_, 'py> for Given<'py> {
    type Error = Infallible;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> Result<Self, Infallible> {
        Ok(Self(Some(object.to_owned())))
    }
}

/// The path of a file: a text or a path object.
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
            // A text that cannot be a path, for instance with a lone surrogate.
            let is_invalid = error.is_instance_of::<PyValueError>(object.py());
            if is_invalid {
                PyTypeError::new_err(format!("not a valid path: {error}"))
            } else {
                error
            }
        })
    }
}

/// Reads a whole file.
pub(crate) fn read_file(path: &Path) -> PyResult<Vec<u8>> {
    let read = std::fs::read(path);
    read.map_err(|error| {
        let message = format!("{}: {error}", path.display());
        Python::attach(|py| tree::of_file(py, &error, path, message))
    })
}

/// Reads a count that must not be negative.
pub(crate) fn count(object: &Bound<'_, PyAny>, what: &str) -> PyResult<usize> {
    match convert::to_value(object) {
        Ok(serde_json::Value::Number(number)) if number.is_u64() => Ok(number
            .as_u64()
            .and_then(|number| usize::try_from(number).ok())
            .unwrap_or(usize::MAX)),
        Ok(serde_json::Value::Number(number)) if number.is_i64() => Err(tree::DecnetError::new_err(format!(
            "{what} must not be negative, but is {number}"
        ))),
        Err(convert::Unfit::Value(message)) => Err(tree::DecnetError::new_err(format!("{what}: {message}"))),
        _ => Err(PyTypeError::new_err(format!(
            "{what} must be a whole number, not {}",
            convert::kind(object)
        ))),
    }
}

/// Reads a count of one or more.
pub(crate) fn positive(object: &Bound<'_, PyAny>, what: &str) -> PyResult<usize> {
    match count(object, what)? {
        0 => Err(tree::DecnetError::new_err(format!("{what} must be at least 1"))),
        count => Ok(count),
    }
}

/// Reads bytes.
pub(crate) fn bytes(object: &Bound<'_, PyAny>, what: &str) -> PyResult<Vec<u8>> {
    let bytes = object.cast::<PyBytes>().map(|bytes| bytes.as_bytes().to_vec());
    bytes.map_err(|_| PyTypeError::new_err(format!("{what} must be bytes, not {}", convert::kind(object))))
}

/// Reads a timeout in seconds. Without one, there is no limit.
pub(crate) fn timeout(object: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Duration>> {
    let Some(object) = object else { return Ok(None) };
    let timeout = Duration::try_from(seconds(object, "a timeout")?);
    let negative = |_| tree::DecnetError::new_err("a timeout must not be negative");
    timeout.map(Some).map_err(negative)
}

/// Reads a time in seconds.
pub(crate) fn seconds(object: &Bound<'_, PyAny>, what: &str) -> PyResult<SignedDuration> {
    let Ok(seconds) = object.extract::<f64>() else {
        return Err(PyTypeError::new_err(format!(
            "{what} must be a number of seconds, not {}",
            convert::kind(object)
        )));
    };
    SignedDuration::try_from_secs_f64(seconds)
        .map_err(|error| tree::DecnetError::new_err(format!("{what} of {seconds} seconds: {error}")))
}
