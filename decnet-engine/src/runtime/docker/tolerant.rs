//! Decodes answers with values that bollard does not know.
//!
//! bollard decodes every enumeration of Docker's API strictly: a single unknown state makes a whole list of containers
//! undecodable, for instance Podman's `stopped` or a new state of a later engine. Such an answer is decoded again with only the
//! fields that this crate uses, and each unknown state of a container becomes `exited`.

use bollard::{
    errors::Error,
    models::{
        ContainerInspectResponse, ContainerStateStatusEnum as Status, ContainerSummary, SystemInfo, Volume,
        VolumeListResponse,
    },
};
use futures_util::{FutureExt as _, future::BoxFuture};
use serde::{Deserialize as _, de::DeserializeOwned};
use serde_json::Value;

/// An answer that can be reduced to the fields in use.
pub(super) trait Reduce: DeserializeOwned {
    /// Removes unused fields and replaces unknown states.
    fn reduce(answer: &mut Value);
}

/// Sends a request and decodes the answer even if it has unknown values.
pub(super) fn tolerant<'a, T: Reduce>(
    request: impl Future<Output = Result<T, Error>> + Send + 'a,
) -> BoxFuture<'a, Result<T, Error>> {
    let read = |answered: Result<T, Error>| match answered {
        Err(Error::JsonDataError { ref contents, .. }) => read_reduced(contents).map_or(answered, Ok),
        answered => answered,
    };
    request.map(read).boxed()
}

fn read_reduced<T: Reduce>(contents: &str) -> Option<T> {
    let mut answer = serde_json::from_str(contents).ok()?;
    T::reduce(&mut answer);
    serde_json::from_value(answer).ok()
}

impl Reduce for ContainerInspectResponse {
    fn reduce(answer: &mut Value) {
        reduce_container(answer);
    }
}

impl Reduce for Vec<ContainerSummary> {
    fn reduce(answer: &mut Value) {
        answer.as_array_mut().into_iter().flatten().for_each(reduce_container);
    }
}

impl Reduce for SystemInfo {
    fn reduce(answer: &mut Value) {
        remove(answer, &["CgroupDriver", "CgroupVersion", "Isolation", "Swarm"]);
    }
}

impl Reduce for Volume {
    fn reduce(answer: &mut Value) {
        remove(answer, &["ClusterVolume", "Status"]);
        if let Some(scope) = answer.get_mut("Scope") {
            // bollard requires the field, and treats an empty text as none.
            *scope = "".into();
        }
    }
}

impl Reduce for VolumeListResponse {
    fn reduce(answer: &mut Value) {
        let volumes = answer.get_mut("Volumes").and_then(Value::as_array_mut);
        volumes.into_iter().flatten().for_each(Volume::reduce);
    }
}

/// Keeps the fields of a container that are read, whether it is inspected or listed.
fn reduce_container(container: &mut Value) {
    remove(container, &["Health", "ImageManifestDescriptor", "Ports"]);
    for (object, fields) in [
        ("Config", &["Image", "Labels"][..]),
        ("HostConfig", &["NetworkMode"]),
        ("NetworkSettings", &["Networks"]),
    ] {
        container
            .get_mut(object)
            .into_iter()
            .for_each(|object| keep(object, fields));
    }
    // A string in a list, an object in an inspection.
    match container.get_mut("State") {
        Some(state @ Value::Object(_)) => {
            keep(state, &["Status", "StartedAt", "ExitCode", "Pid"]);
            state.get_mut("Status").into_iter().for_each(replace_unknown);
        }
        state => state.into_iter().for_each(replace_unknown),
    }
}

fn replace_unknown(status: &mut Value) {
    // Lists have the same states.
    if Status::deserialize(&*status).is_err() {
        *status = Status::EXITED.as_ref().into();
    }
}

fn keep(value: &mut Value, fields: &[&str]) {
    if let Some(object) = value.as_object_mut() {
        object.retain(|field, _| fields.contains(&field.as_str()));
    }
}

fn remove(value: &mut Value, fields: &[&str]) {
    if let Some(object) = value.as_object_mut() {
        object.retain(|field, _| !fields.contains(&field.as_str()));
    }
}

#[cfg(test)]
mod tests;
