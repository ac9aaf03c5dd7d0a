//! Conversion between Docker's labels and ours.

use std::collections::HashMap;

use bollard::models::ContainerInspectResponse;

use crate::naming::Labels;

/// Reads labels.
pub(super) fn read(labels: Option<HashMap<String, String>>) -> Labels {
    let labels = labels.unwrap_or_default().into_iter();
    labels.map(|(name, value)| (name.into(), value)).collect()
}

/// Reads the labels of a container.
pub(super) fn of_container(container: &ContainerInspectResponse) -> Labels {
    read(container.config.as_ref().and_then(|config| config.labels.clone()))
}

/// Writes labels.
pub(super) fn write(labels: &Labels) -> HashMap<String, String> {
    let labels = labels.iter();
    labels.map(|(name, value)| (name.to_string(), value.clone())).collect()
}
