//! Ownership of resources, by their labels.

use decnet_topology::InstanceId;

use super::RuntimeError;
use crate::{naming::Labels, observe};

/// Returns whether a resource with these labels belongs to a store.
pub(super) fn is_ours(labels: &Labels, instance: InstanceId) -> bool {
    observe::instance_of(labels) == Some(instance)
}

/// Refuses a resource that does not belong to a store.
pub(super) fn require_ours(what: impl Into<String>, labels: &Labels, instance: InstanceId) -> Result<(), RuntimeError> {
    if is_ours(labels, instance) {
        Ok(())
    } else {
        Err(foreign(what, labels))
    }
}

/// Reports that a resource of another owner is in the way.
pub(super) fn foreign(what: impl Into<String>, labels: &Labels) -> RuntimeError {
    let owner = match labels.get(crate::naming::INSTANCE) {
        Some(other) => format!("owned by database {other}"),
        None => "not created by this program".into(),
    };
    RuntimeError::Foreign {
        what: what.into(),
        owner,
    }
}
