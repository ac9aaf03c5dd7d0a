//! The simulated daemon, with faults to order.

use std::{collections::BTreeMap, sync::Arc};

use decnet_engine::{
    naming::ContainerName,
    observe::Activity,
    runtime::{
        Runtime, RuntimeError,
        simulated::{self, Moment},
    },
};
use pyo3::{exceptions::PyTypeError, prelude::*};

use crate::{
    argument::{self, Text, count},
    convert::{self, Typed},
};

/// A Docker daemon in memory.
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
            "a moment is 'before', 'half' or 'after', not {other:?}"
        ))),
    }
}

#[pymethods]
impl Simulated {
    /// Makes an empty world.
    #[new]
    fn new() -> Self {
        Self(simulated::Simulated::new())
    }

    /// The containers that there are, and what they do.
    #[getter]
    fn containers(&self, py: Python<'_>) -> PyResult<Typed<convert::Texts>> {
        let world = self.0.world();
        let containers = world.containers.iter();
        let containers: BTreeMap<&str, Activity> = containers
            .map(|(name, container)| (name.as_str(), container.activity))
            .collect();
        Typed::new(py, &containers)
    }

    /// The networks that there are, and their subnets.
    #[getter]
    fn networks(&self) -> BTreeMap<String, String> {
        let world = self.0.world();
        let networks = world.networks.iter();
        networks
            .map(|(name, network)| (name.to_string(), network.subnet.to_string()))
            .collect()
    }

    /// Lets each action take so many seconds.
    #[pyo3(signature = (seconds: "float"))]
    fn pace(&self, seconds: &Bound<'_, PyAny>) -> PyResult<()> {
        let time = argument::seconds(seconds, "a pace")?;
        self.0.pace(time.try_into().unwrap_or_default());
        Ok(())
    }

    /// Fails one action, counted from now: the next is number 1.
    #[pyo3(
        signature = (nth: "int", message: "str" = Text::new("the fault that was ordered"), moment: "Literal['before', 'half', 'after']" = Text::new("before")),
        text_signature = "($self, nth, message='the fault that was ordered', moment='before')"
    )]
    fn fail(&self, nth: &Bound<'_, PyAny>, message: Text, moment: Text) -> PyResult<()> {
        let error = RuntimeError::Refused { reason: message.take() };
        self.0
            .fail(count(nth, "a number")?, self::moment(&moment.take())?, error);
        Ok(())
    }

    /// Lets the daemon die with one action, counted from now.
    #[pyo3(
        signature = (nth: "int", moment: "Literal['before', 'half', 'after']" = Text::new("before")),
        text_signature = "($self, nth, moment='before')"
    )]
    fn cut_off(&self, nth: &Bound<'_, PyAny>, moment: Text) -> PyResult<()> {
        self.0.cut_off(count(nth, "a number")?, self::moment(&moment.take())?);
        Ok(())
    }

    /// Lets every call say that nothing answers, from now on.
    fn go_away(&self) {
        self.0.go_away();
    }

    /// Answers again, and forgets all faults that were ordered.
    fn reconnect(&self) {
        self.0.reconnect();
    }

    /// Stops a container behind the engine's back; returns whether there is one.
    #[pyo3(signature = (container: "str"))]
    fn stop(&self, container: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.0.stop(&name(container)?))
    }

    /// Removes a container behind the engine's back; returns whether there is one.
    #[pyo3(signature = (container: "str"))]
    fn remove(&self, container: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.0.remove(&name(container)?))
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
