//! Strict conversion between Python's objects and JSON values.

use std::{convert::Infallible, marker::PhantomData};

use ipnet::Ipv4Net;
use jiff::Timestamp;
use pyo3::{
    IntoPyObjectExt as _,
    exceptions::PyTypeError,
    inspect::PyStaticExpr,
    prelude::*,
    type_hint_subscript,
    types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Number, Value};

use crate::tree;

/// The deepest nesting of lists and dicts; a list that contains itself exceeds it.
const MAX_DEPTH: usize = 128;

/// The reason why an object is not a JSON value.
pub(crate) enum Unfit {
    /// Its type is not a JSON type: always a `TypeError`.
    Type(String),
    /// Its type is a JSON type, but the value cannot be represented: the caller's kind of exception.
    Value(String),
}

impl Unfit {
    /// Creates the exception: a `TypeError`, or the one that `family` creates from the message.
    pub(crate) fn raise(self, family: impl FnOnce(String) -> PyErr) -> PyErr {
        match self {
            Self::Type(message) => PyTypeError::new_err(message),
            Self::Value(message) => family(message),
        }
    }
}

impl From<Unfit> for PyErr {
    fn from(unfit: Unfit) -> Self {
        unfit.raise(PyTypeError::new_err)
    }
}

/// Reads an object as a JSON value: `None`, booleans, whole numbers of 64 bits, finite floats, texts, lists, tuples, and dicts with
/// texts as keys.
pub(crate) fn to_value(object: &Bound<'_, PyAny>) -> Result<Value, Unfit> {
    value(object, 0)
}

fn value(object: &Bound<'_, PyAny>, depth: usize) -> Result<Value, Unfit> {
    if depth > MAX_DEPTH {
        let message = format!("lists and dicts are nested more than {MAX_DEPTH} levels deep, or contain themselves");
        return Err(Unfit::Value(message));
    }
    if object.is_none() {
        return Ok(Value::Null);
    }
    if let Ok(boolean) = object.cast::<PyBool>() {
        return Ok(Value::Bool(boolean.is_true()));
    }
    if let Ok(text) = object.cast::<PyString>() {
        return text_of(text).map(Value::String);
    }
    if let Ok(number) = object.cast::<PyInt>() {
        let small = number.extract::<i64>().map(Value::from);
        let value = small.or_else(|_| number.extract::<u64>().map(Value::from));
        return value.map_err(|_| Unfit::Value("a whole number does not fit in 64 bits".into()));
    }
    if let Ok(number) = object.cast::<PyFloat>() {
        let number = Number::from_f64(number.value());
        return number
            .map(Value::Number)
            .ok_or_else(|| Unfit::Value("a number is infinite or NaN".into()));
    }
    if let Ok(dict) = object.cast::<PyDict>() {
        return map(dict, depth);
    }
    if let Ok(list) = object.cast::<PyList>() {
        return list.iter().map(|item| value(&item, depth + 1)).collect();
    }
    if let Ok(tuple) = object.cast::<PyTuple>() {
        return tuple.iter().map(|item| value(&item, depth + 1)).collect();
    }
    Err(Unfit::Type(format!(
        "{} is not one of None, bool, int, float, str, list, tuple and dict",
        kind(object)
    )))
}

fn map(dict: &Bound<'_, PyDict>, depth: usize) -> Result<Value, Unfit> {
    let mut map = Map::new();
    // Copied, because iterating a dict that changes panics.
    for item in dict.items() {
        let (key, item): (Bound<'_, PyAny>, Bound<'_, PyAny>) =
            item.extract().map_err(|error: PyErr| Unfit::Type(error.to_string()))?;
        let Ok(key) = key.cast::<PyString>() else {
            return Err(Unfit::Type(format!("a key of a dict is {}, not str", kind(&key))));
        };
        map.insert(text_of(key)?, value(&item, depth + 1)?);
    }
    Ok(Value::Object(map))
}

/// Reads a text.
pub(crate) fn text_of(text: &Bound<'_, PyString>) -> Result<String, Unfit> {
    let read = text.to_str().map(Into::into);
    read.map_err(|_| Unfit::Value("a text contains a lone surrogate".into()))
}

/// Names the type of an object, for people.
pub(crate) fn kind(object: &Bound<'_, PyAny>) -> String {
    let name = object.get_type().name();
    name.map_or_else(|_| "an object".into(), |name| name.to_string_lossy().into_owned())
}

/// Reads a text and parses it; another type is a `TypeError`.
pub(crate) fn text(object: &Bound<'_, PyAny>, what: &str) -> PyResult<String> {
    let Ok(text) = object.cast::<PyString>() else {
        return Err(PyTypeError::new_err(format!(
            "{what} must be a str, not {}",
            kind(object)
        )));
    };
    Ok(text_of(text)?)
}

/// Returns the text of an object of the module `ipaddress`.
pub(crate) fn address(object: &Bound<'_, PyAny>) -> Option<String> {
    let module = object.get_type().module().ok()?;
    let is_address = module.to_string_lossy() == "ipaddress";
    is_address.then(|| object.str().map(|text| text.to_string_lossy().into_owned()).ok())?
}

/// Reads a text, or an object of the module `ipaddress`.
pub(crate) fn address_text(object: &Bound<'_, PyAny>, what: &str) -> PyResult<String> {
    address(object).map_or_else(|| text(object, what), Ok)
}

/// Reads subnets from any iterable except a `str`.
pub(crate) fn subnets(object: Option<&Bound<'_, PyAny>>, what: &str) -> PyResult<Vec<Ipv4Net>> {
    let Some(object) = object else { return Ok(Vec::new()) };
    if object.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err(format!(
            "{what} must be a list of subnets, not a str"
        )));
    }
    let subnets = object.try_iter()?.map(|item| subnet(&item?, what));
    subnets.collect()
}

/// Reads one subnet.
pub(crate) fn subnet(object: &Bound<'_, PyAny>, what: &str) -> PyResult<Ipv4Net> {
    let text = address_text(object, what)?;
    decnet_topology::net::parse_subnet(&text).map_err(|error| {
        let raised = tree::AddressError::new_err(error.to_string());
        tree::coded(object.py(), raised, error.code())
    })
}

/// Reads texts from any iterable except a `str`.
pub(crate) fn texts(object: &Bound<'_, PyAny>, what: &str) -> PyResult<Vec<String>> {
    if object.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err(format!("{what} must be a list of str, not a str")));
    }
    object.try_iter()?.map(|item| text(&item?, what)).collect()
}

/// Parses a text; a failure is an error of the exception tree.
pub(crate) fn parsed<T>(object: &Bound<'_, PyAny>, what: &str) -> PyResult<T>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    parse(&text(object, what)?, what)
}

/// Reads a text as [`parsed`] does.
pub(crate) fn parse<T>(text: &str, what: &str) -> PyResult<T>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    text.parse()
        .map_err(|error: T::Err| tree::DecnetError::new_err(format!("{what}: {error}")))
}

/// Reads a time: an aware `datetime`, or a text as in RFC 3339; the default is now.
pub(crate) fn moment(object: Option<&Bound<'_, PyAny>>) -> PyResult<Timestamp> {
    match object {
        None => Ok(Timestamp::now()),
        Some(object) if object.is_instance_of::<PyString>() => parsed(object, "a time"),
        Some(object) => object
            .extract()
            .map_err(|_| PyTypeError::new_err("a time must be an aware datetime, or a str as in RFC 3339")),
    }
}

/// Parses a dict; a failure is an error of the exception tree.
pub(crate) fn document<T: DeserializeOwned>(object: &Bound<'_, PyAny>, what: &str) -> PyResult<T> {
    let family = |message| tree::DecnetError::new_err(format!("{what}: {message}"));
    let value = to_value(object).map_err(|unfit| unfit.raise(family))?;
    serde_json::from_value(value).map_err(|error| family(error.to_string()))
}

/// Converts a serializable value to Python's objects.
pub(crate) fn to_python(py: Python<'_>, value: &(impl Serialize + ?Sized)) -> PyResult<Py<PyAny>> {
    let value = serde_json::to_value(value).map_err(|error| tree::DecnetError::new_err(error.to_string()))?;
    from_value(py, &value)
}

/// Converts a result of an operation to Python's objects, like [`to_python`].
pub(crate) fn document_of<T: Serialize>(py: Python<'_>, result: T) -> PyResult<Py<PyAny>> {
    to_python(py, &result)
}

/// A type of `decnet.types`, as stubs name it.
pub(crate) trait Hint {
    /// The type.
    const HINT: PyStaticExpr;
}

/// Declares types of `decnet.types`.
macro_rules! hints {
    ($($name:ident = $hint:expr;)*) => {$(
        /// See `decnet.types`.
        pub(crate) enum $name {}

        impl Hint for $name {
            const HINT: PyStaticExpr = $hint;
        }
    )*};
}

const fn named(name: &'static str) -> PyStaticExpr {
    PyStaticExpr::Name { id: name }
}

hints! {
    AgentIdentity = named("AgentIdentity");
    ComingLogItem = type_hint_subscript!(named("Coroutine"), named("Any"), named("Any"), named("LogItem"));
    Causes = type_hint_subscript!(named("list"), named("Cause"));
    ComingEvent = type_hint_subscript!(named("Coroutine"), named("Any"), named("Any"), named("Event"));
    Documents = type_hint_subscript!(named("dict"), named("str"), named("Document"));
    DeploySettings = named("DeploySettings");
    DeckyAnswer = named("DeckyAnswer");
    Document = named("Document");
    Event = named("Event");
    FieldType = named("FieldType");
    Findings = type_hint_subscript!(named("Iterator"), named("Finding"));
    HostReport = named("HostReport");
    HostState = named("HostState");
    ImageSource = named("ImageSource");
    InsideOnlys = type_hint_subscript!(named("list"), named("InsideOnly"));
    Intent = named("Intent");
    Json = named("Any");
    LogEntry = named("LogEntry");
    Mode = named("Mode");
    Naming = named("Naming");
    NextLogItem = named("LogItem");
    Placement = named("Placement");
    ReachDeviations = type_hint_subscript!(named("list"), named("ReachDeviation"));
    ReapReport = named("ReapReport");
    SeccompMode = named("SeccompMode");
    ServiceChoice = named("ServiceChoice");
    ServiceLimits = named("ServiceLimits");
    ServiceVolumes = type_hint_subscript!(named("list"), named("ServiceVolume"));
    Severity = named("Severity");
    SkippedPaths = type_hint_subscript!(named("list"), named("SkippedPath"));
    Snapshot = type_hint_subscript!(named("list"), named("TopologyNow"));
    Status = named("Status");
    StoreResult = named("StoreResult");
    Steps = type_hint_subscript!(named("Iterator"), named("Step"));
    Texts = type_hint_subscript!(named("dict"), named("str"), named("str"));
}

/// A Python object with a type of `decnet.types`.
pub(crate) struct Typed<T>(Py<PyAny>, PhantomData<fn() -> T>);

impl<T> Typed<T> {
    /// Converts a serializable value to Python's objects.
    pub(crate) fn new(py: Python<'_>, value: &(impl Serialize + ?Sized)) -> PyResult<Self> {
        to_python(py, value).map(Self::from)
    }
}

impl<T> From<Py<PyAny>> for Typed<T> {
    fn from(object: Py<PyAny>) -> Self {
        Self(object, PhantomData)
    }
}

impl<'py, T: Hint> IntoPyObject<'py> for Typed<T> {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = Infallible;
    const OUTPUT_TYPE: PyStaticExpr = T::HINT;

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Infallible> {
        Ok(self.0.into_bound(py))
    }
}

impl<'py, T: Hint> IntoPyObject<'py> for &Typed<T> {
    type Target = PyAny;
    type Output = Bound<'py, PyAny>;
    type Error = Infallible;
    const OUTPUT_TYPE: PyStaticExpr = T::HINT;

    fn into_pyobject(self, py: Python<'py>) -> Result<Self::Output, Infallible> {
        Ok(self.0.bind(py).clone())
    }
}

/// Converts a JSON value to Python's objects.
pub(crate) fn from_value(py: Python<'_>, value: &Value) -> PyResult<Py<PyAny>> {
    match value {
        Value::Null => Ok(py.None()),
        Value::Bool(value) => value.into_py_any(py),
        Value::String(value) => value.into_py_any(py),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(value), _) => value.into_py_any(py),
            (_, Some(value)) => value.into_py_any(py),
            _ => number.as_f64().into_py_any(py),
        },
        Value::Array(items) => {
            let items: Vec<Py<PyAny>> = items.iter().map(|item| from_value(py, item)).collect::<PyResult<_>>()?;
            items.into_py_any(py)
        }
        Value::Object(entries) => {
            let dict = PyDict::new(py);
            for (key, item) in entries {
                dict.set_item(key, from_value(py, item)?)?;
            }
            dict.into_py_any(py)
        }
    }
}
