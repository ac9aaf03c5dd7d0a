//! The simulated daemon, with injected faults.

use std::{collections::BTreeMap, sync::Arc};

use decnet_engine::{Activity, ContainerName, Runtime, RuntimeError, simulated, simulated::Moment};
use pyo3::{exceptions::PyTypeError, prelude::*};

use crate::{
    argument::{self, Text, count},
    convert::{self, Typed},
};

/// A Docker daemon in memory.
///
/// Its services have four programs: `cat`, which prints its input, `echo`, which prints its arguments, `exit`, which exits with a status,
/// and `sleep`, which waits for seconds.
#[pyclass(frozen, module = "decnet")]
pub(crate) struct Simulated(simulated::Simulated);

impl Simulated {
    /// Returns another client of the same daemon.
    pub(crate) fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(self.0.clone())
    }
}

fn moment(moment: &str) -> PyResult<Moment> {
    match moment {
        "before" => Ok(Moment::Before),
        "half" => Ok(Moment::Half),
        "after" => Ok(Moment::After),
        other => Err(PyTypeError::new_err(format!(
            "a moment must be 'before', 'half' or 'after', not {other:?}"
        ))),
    }
}

#[pymethods]
impl Simulated {
    /// Creates an empty daemon.
    #[new]
    fn new() -> Self {
        Self(simulated::Simulated::new())
    }

    /// The existing containers, and their activities.
    #[getter]
    fn containers(&self, py: Python<'_>) -> PyResult<Typed<convert::Texts>> {
        let world = self.0.world();
        let containers = world.containers.iter();
        let containers: BTreeMap<&str, Activity> = containers
            .map(|(name, container)| (name.as_str(), container.activity))
            .collect();
        Typed::new(py, &containers)
    }

    /// The existing networks, and their subnets.
    #[getter]
    fn networks(&self) -> BTreeMap<String, String> {
        let world = self.0.world();
        let networks = world.networks.iter();
        networks
            .map(|(name, network)| (name.to_string(), network.subnet.to_string()))
            .collect()
    }

    /// Sets the duration of each action in seconds.
    #[pyo3(signature = (seconds: "float"))]
    fn pace(&self, seconds: &Bound<'_, PyAny>) -> PyResult<()> {
        let time = argument::seconds(seconds, "a duration")?;
        self.0.pace(time.try_into().unwrap_or_default());
        Ok(())
    }

    /// Makes one action fail, counted from now: the next is number 1.
    #[pyo3(
        signature = (nth: "int", message: "str" = Text::new("injected fault"), moment: "Literal['before', 'half', 'after']" = Text::new("before")),
        text_signature = "($self, nth, message='injected fault', moment='before')"
    )]
    fn fail(&self, nth: &Bound<'_, PyAny>, message: Text, moment: Text) -> PyResult<()> {
        let error = RuntimeError::Refused { reason: message.take() };
        self.0
            .fail(count(nth, "a number")?, self::moment(&moment.take())?, error);
        Ok(())
    }

    /// Makes the daemon die at one action, counted from now.
    #[pyo3(
        signature = (nth: "int", moment: "Literal['before', 'half', 'after']" = Text::new("before")),
        text_signature = "($self, nth, moment='before')"
    )]
    fn cut_off(&self, nth: &Bound<'_, PyAny>, moment: Text) -> PyResult<()> {
        self.0.cut_off(count(nth, "a number")?, self::moment(&moment.take())?);
        Ok(())
    }

    /// Makes every later call fail as if the daemon did not answer.
    fn go_away(&self) {
        self.0.go_away();
    }

    /// Answers again, and removes all injected faults.
    fn reconnect(&self) {
        self.0.reconnect();
    }

    /// Stops a container without the engine, and returns whether it existed.
    #[pyo3(signature = (container: "str"))]
    fn stop(&self, container: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.0.stop(&name(container)?))
    }

    /// Removes a container without the engine, and returns whether it existed.
    #[pyo3(signature = (container: "str"))]
    fn remove(&self, container: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.0.remove(&name(container)?))
    }

    /// Prints a line on the standard output of a container, and returns whether it exists. The time is that of this daemon's own
    /// clock by default.
    #[pyo3(signature = (container: "str", text: "str", *, at: "Moment | None" = None))]
    fn print(
        &self,
        container: &Bound<'_, PyAny>,
        text: &Bound<'_, PyAny>,
        at: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let (name, text) = (name(container)?, convert::text(text, "a line")?);
        Ok(match at {
            None => self.0.print(&name, &text),
            Some(_) => self.0.print_at(&name, convert::moment(at)?, &text),
        })
    }

    /// Puts a file or a folder into a container: the tar archive that a copy of the path returns.
    #[pyo3(signature = (container: "str", path: "str", archive: "bytes"))]
    fn put_archive(
        &self,
        container: &Bound<'_, PyAny>,
        path: &Bound<'_, PyAny>,
        archive: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let (name, path) = (name(container)?, convert::text(path, "a path")?);
        self.0
            .put_archive(&name, &path, argument::bytes(archive, "an archive")?);
        Ok(())
    }

    fn __repr__(&self) -> String {
        let world = self.0.world();
        format!(
            "<Simulated: {} networks, {} containers>",
            world.networks.len(),
            world.containers.len()
        )
    }
}

fn name(container: &Bound<'_, PyAny>) -> PyResult<ContainerName> {
    Ok(ContainerName::from_docker(&convert::text(container, "a container")?))
}
