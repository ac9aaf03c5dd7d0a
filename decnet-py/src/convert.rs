//! Between Python's objects and JSON values, with nothing guessed.

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

/// How deep lists and dicts may stand in each other; a list that holds itself is deeper than any bound.
const MAX_DEPTH: usize = 128;

/// Says why an object is no JSON value.
pub(crate) enum Unfit {
    /// It is of a type that JSON does not know: a `TypeError`, whatever it was for.
    Type(String),
    /// It is of a type that JSON knows, but cannot be said: the exception is that of what it was for.
    Value(String),
}

impl Unfit {
    /// Makes the exception: a `TypeError`, or what `family` makes of the message.
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
        let message = format!("lists and dicts stand more than {MAX_DEPTH} deep in each other, or in themselves");
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
            .ok_or_else(|| Unfit::Value("a number is infinite or none at all".into()));
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
        "{} is none of None, bool, int, float, str, list, tuple and dict",
        kind(object)
    )))
}

fn map(dict: &Bound<'_, PyDict>, depth: usize) -> Result<Value, Unfit> {
    let mut map = Map::new();
    // A copy: a dict that changes under an iterator makes that panic.
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
    read.map_err(|_| Unfit::Value("a text holds half of a character: a lone surrogate".into()))
}

/// Names the type of an object, for people.
pub(crate) fn kind(object: &Bound<'_, PyAny>) -> String {
    let name = object.get_type().name();
    name.map_or_else(|_| "an object".into(), |name| name.to_string_lossy().into_owned())
}

/// Reads a text that stands for something; anything but a `str` is a `TypeError`.
pub(crate) fn text(object: &Bound<'_, PyAny>, what: &str) -> PyResult<String> {
    let Ok(text) = object.cast::<PyString>() else {
        return Err(PyTypeError::new_err(format!("{what} is a str, not {}", kind(object))));
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

/// Reads subnets from any iterable but a `str`.
pub(crate) fn subnets(object: Option<&Bound<'_, PyAny>>, what: &str) -> PyResult<Vec<Ipv4Net>> {
    let Some(object) = object else { return Ok(Vec::new()) };
    if object.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err(format!(
            "{what} is a list of subnets, not one str"
        )));
    }
    let subnets = object.try_iter()?.map(|item| subnet(&item?, what));
    subnets.collect()
}

/// Reads one subnet.
pub(crate) fn subnet(object: &Bound<'_, PyAny>, what: &str) -> PyResult<Ipv4Net> {
    let text = address_text(object, what)?;
    decnet_topology::net::parse_subnet(&text).map_err(|error| tree::AddressError::new_err(error.to_string()))
}

/// Reads texts from any iterable but a `str`.
pub(crate) fn texts(object: &Bound<'_, PyAny>, what: &str) -> PyResult<Vec<String>> {
    if object.is_instance_of::<PyString>() {
        return Err(PyTypeError::new_err(format!("{what} is a list of str, not one")));
    }
    object.try_iter()?.map(|item| text(&item?, what)).collect()
}

/// Reads what a word or a text stands for; what it does not is an error of the tree.
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

/// Reads a moment: an aware `datetime`, or a text as in RFC 3339; now if there is none.
pub(crate) fn moment(object: Option<&Bound<'_, PyAny>>) -> PyResult<Timestamp> {
    match object {
        None => Ok(Timestamp::now()),
        Some(object) if object.is_instance_of::<PyString>() => parsed(object, "a time"),
        Some(object) => object
            .extract()
            .map_err(|_| PyTypeError::new_err("a time is an aware datetime or a str, as in RFC 3339")),
    }
}

/// Reads a dict as what it stands for; what it does not is an error of the tree.
pub(crate) fn document<T: DeserializeOwned>(object: &Bound<'_, PyAny>, what: &str) -> PyResult<T> {
    let family = |message| tree::DecnetError::new_err(format!("{what}: {message}"));
    let value = to_value(object).map_err(|unfit| unfit.raise(family))?;
    serde_json::from_value(value).map_err(|error| family(error.to_string()))
}

/// Turns what can be said in JSON into Python's objects.
pub(crate) fn to_python(py: Python<'_>, said: &(impl Serialize + ?Sized)) -> PyResult<Py<PyAny>> {
    let value = serde_json::to_value(said).map_err(|error| tree::DecnetError::new_err(error.to_string()))?;
    from_value(py, &value)
}

/// Turns a result of an operation into Python's objects, as [`to_python`] does.
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
    ComingEvent = type_hint_subscript!(named("Coroutine"), named("Any"), named("Any"), named("Event"));
    Documents = type_hint_subscript!(named("dict"), named("str"), named("Document"));
    DeploySettings = named("DeploySettings");
    Document = named("Document");
    Event = named("Event");
    Findings = type_hint_subscript!(named("Iterator"), named("Finding"));
    Intent = named("Intent");
    Mode = named("Mode");
    ReapReport = named("ReapReport");
    Severity = named("Severity");
    Snapshot = type_hint_subscript!(named("list"), named("TopologyNow"));
    Status = named("Status");
    Steps = type_hint_subscript!(named("Iterator"), named("Step"));
    Texts = type_hint_subscript!(named("dict"), named("str"), named("str"));
}

/// An object of Python that has a type of `decnet.types`.
pub(crate) struct Typed<T>(Py<PyAny>, PhantomData<fn() -> T>);

impl<T> Typed<T> {
    /// Turns what can be said in JSON into Python's objects.
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

/// Turns a JSON value into Python's objects.
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
