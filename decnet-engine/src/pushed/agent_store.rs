use std::sync::{Mutex, PoisonError};

use decnet_topology::{InstallationSecret, InstanceId, Member};

use super::push::{AppliedTopology, PushedStore, PushedVersion};

/// The store of an agent, whose identity is in all that the agent makes.
#[derive(Debug)]
pub(crate) struct AgentStore {
    pub(crate) instance: InstanceId,
    pub(crate) secret: InstallationSecret,
    /// Its host, as the fleet has it.
    pub(crate) member: Option<Member>,
    /// What the agent has, as it said last.
    applied: Mutex<Option<AppliedTopology>>,
}

impl AgentStore {
    pub(crate) fn new(store: PushedStore, member: Option<Member>) -> Self {
        Self {
            instance: store.instance,
            secret: store.secret,
            member,
            applied: Mutex::new(store.applied),
        }
    }

    /// Returns whether the agent has this version, and all of it runs.
    pub(crate) fn has(&self, version: &PushedVersion) -> bool {
        let applied = self.applied.lock().unwrap_or_else(PoisonError::into_inner);
        applied.as_ref().map(PushedVersion::applied).as_ref() == Some(version)
    }

    /// Sets what the agent has.
    pub(crate) fn set_applied(&self, applied: Option<AppliedTopology>) {
        *self.applied.lock().unwrap_or_else(PoisonError::into_inner) = applied;
    }
}
