//! Whose a resource is, by its labels.

use decnet_topology::InstanceId;

use super::RuntimeError;
use crate::{naming::Labels, observe};

/// Returns whether labels say that a resource belongs to a repo.
pub(super) fn is_ours(labels: &Labels, instance: InstanceId) -> bool {
    observe::instance_of(labels) == Some(instance)
}

/// Refuses what does not belong to a repo.
pub(super) fn require_ours(what: impl Into<String>, labels: &Labels, instance: InstanceId) -> Result<(), RuntimeError> {
    if is_ours(labels, instance) {
        Ok(())
    } else {
        Err(foreign(what, labels))
    }
}

/// Says that something is in the way, and whose it is.
pub(super) fn foreign(what: impl Into<String>, labels: &Labels) -> RuntimeError {
    let owner = match labels.get(crate::naming::INSTANCE) {
        Some(other) => format!("of the repo {other}"),
        None => "not made by this program".into(),
    };
    RuntimeError::Foreign {
        what: what.into(),
        owner,
    }
}
