//! What a daemon refused.

use std::sync::atomic::{AtomicBool, Ordering};

use bollard::models::HostConfig;

use super::failure::Failure;

/// What the daemon was found not to take: it shows when a container is asked for, and is asked for no more then.
#[derive(Debug, Default)]
pub(super) struct Refused {
    /// A limit for a root, which few storage drivers have.
    root_limit: AtomicBool,
}

impl Refused {
    /// Leaves out of a container what the daemon does not take.
    pub(super) fn leave_out(&self, host: &mut HostConfig) {
        if self.root_limit.load(Ordering::Relaxed) {
            host.storage_opt = None;
        }
    }

    /// Returns whether a container was refused for something that can be left out, and remembers it.
    pub(super) fn learn(&self, host: Option<&HostConfig>, failure: &Failure) -> bool {
        let Some(host) = host else { return false };
        let found = host.storage_opt.is_some() && failure.says("storage-opt");
        if found {
            self.root_limit.store(true, Ordering::Relaxed);
        }
        found
    }
}
