//! What an engine tells, one event after the other.

use std::{sync::Arc, time::Duration};

use decnet_engine::bus::{Received, Subscription};
use pyo3::prelude::*;
use serde_json::json;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{
    argument, convert,
    errors::Raise,
    operation::{Operation, Stop, begin},
    runtime::Native,
};

/// Events on their way, from when it was made: what happens before the first is asked for is not lost.
#[pyclass(frozen, module = "decnet._decnet")]
pub(crate) struct EventStream(Native<(Arc<Mutex<Subscription>>, CancellationToken)>);

impl EventStream {
    /// Follows a subscription until it ends, or the engine does.
    pub(crate) fn new(events: Subscription, ending: CancellationToken) -> Self {
        Self(Native::new((Arc::new(Mutex::new(events)), ending)))
    }
}

/// Nothing goes wrong while events are waited for.
enum Never {}

impl Raise for Never {
    fn raise(&self, _: Python<'_>) -> PyErr {
        match *self {}
    }
}

#[pymethods]
impl EventStream {
    /// Waits for what is next: a dict; none at the end, or when the timeout of so many seconds is at its end.
    fn next(&self, py: Python<'_>, timeout: Option<&Bound<'_, PyAny>>) -> PyResult<Operation> {
        let (events, ending) = self.0.get()?;
        let (events, ending) = (Arc::clone(events), ending.clone());
        let timeout = timeout
            .map(|timeout| argument::seconds(timeout, "a timeout"))
            .transpose()?;
        let timeout = timeout.map(|timeout| Duration::try_from(timeout).unwrap_or_default());
        let work = async move {
            let mut events = events.lock().await;
            let received = tokio::select! {
                biased;
                received = events.recv() => received,
                () = ending.cancelled() => None,
                () = pause(timeout) => None,
            };
            Ok::<_, Never>(received)
        };
        begin(py, Stop::Drop, None, work, |py, received| match received {
            None => Ok(py.None()),
            Some(Received::Event(envelope)) => convert::to_python(py, &envelope),
            Some(Received::Lagged(lost)) => {
                convert::from_value(py, &json!({"type": "lagged", "payload": {"lost": lost}}))
            }
        })
    }
}

async fn pause(timeout: Option<Duration>) {
    match timeout {
        Some(timeout) => tokio::time::sleep(timeout).await,
        None => std::future::pending().await,
    }
}
