//! Finds two agents with the certificate of one host.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use decnet_topology::{AgentRunId, HostId, HostRow};

use super::FleetError;
use crate::pushed::HostReport;

/// The start of each agent that a later start has replaced.
///
/// An agent that is started again has another id, and the earlier one is never heard after it. If it is, it runs on another machine, to
/// which the folder of the agent was copied, or its heartbeat was delayed.
#[derive(Debug, Default)]
pub(super) struct AgentRuns {
    replaced: Mutex<HashMap<HostId, AgentRunId>>,
}

impl AgentRuns {
    /// Refuses a heartbeat of a start that was replaced.
    pub(super) fn check(&self, host: &HostRow, heard: &HostReport) -> Result<(), FleetError> {
        let stored = HostReport::of(host).and_then(|report| report.run);
        if stored == heard.run {
            return Ok(());
        }
        let mut replaced = self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        if replaced.get(&host.id).copied() == heard.run && heard.run.is_some() {
            tracing::warn!(
                host = host.name.as_str(),
                one = host.address,
                other = heard.address,
                "two machines use the certificate of one host"
            );
            return Err(FleetError::HostCloned {
                host: host.name.clone(),
                address: host.address.clone(),
            });
        }
        if let Some(stored) = stored {
            replaced.insert(host.id, stored);
        }
        Ok(())
    }
}
