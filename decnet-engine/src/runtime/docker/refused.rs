//! Settings that a daemon refuses.

use std::sync::atomic::{AtomicBool, Ordering};

use bollard::models::HostConfig;

use super::failure::Failure;

/// The settings that the daemon refused. They are found when a container is created, and then no longer requested.
#[derive(Debug, Default)]
pub(super) struct Refused {
    /// The size limit of a root, which few storage drivers support.
    root_limit: AtomicBool,
}

impl Refused {
    /// Removes the refused settings from a container.
    pub(super) fn remove_from(&self, host: &mut HostConfig) {
        if self.root_limit.load(Ordering::Relaxed) {
            host.storage_opt = None;
        }
    }

    /// Returns whether a container was refused because of a removable setting, and remembers it.
    pub(super) fn learn(&self, host: Option<&HostConfig>, failure: &Failure) -> bool {
        let Some(host) = host else { return false };
        let found = host.storage_opt.is_some() && failure.mentions("storage-opt");
        if found {
            self.root_limit.store(true, Ordering::Relaxed);
        }
        found
    }
}
