use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use decnet_topology::{EnrolmentId, HostId};
use jiff::Timestamp;

use super::{EnrolledHost, Enrolment, Enrolments, FleetError, HostReport, Hosts};

/// Tokens and hosts in memory.
#[derive(Debug, Default)]
pub struct MemoryHosts(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    enrolments: BTreeMap<EnrolmentId, Enrolment>,
    hosts: BTreeMap<HostId, (EnrolledHost, Option<(Timestamp, HostReport)>)>,
}

impl MemoryHosts {
    /// Returns the hosts with their last reports.
    pub fn hosts(&self) -> Vec<(EnrolledHost, Option<(Timestamp, HostReport)>)> {
        self.lock().hosts.values().cloned().collect()
    }

    /// Removes a host, and returns whether it existed.
    pub fn remove(&self, host: HostId) -> bool {
        self.lock().hosts.remove(&host).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Enrolments for MemoryHosts {
    async fn add_enrolment(&self, enrolment: Enrolment) -> Result<(), FleetError> {
        self.lock().enrolments.insert(enrolment.id, enrolment);
        Ok(())
    }

    async fn enrolment(&self, id: EnrolmentId) -> Result<Option<Enrolment>, FleetError> {
        Ok(self.lock().enrolments.get(&id).cloned())
    }

    async fn use_enrolment(&self, id: EnrolmentId, at: Timestamp) -> Result<bool, FleetError> {
        let mut inner = self.lock();
        let enrolment = inner.enrolments.get_mut(&id).ok_or(FleetError::TokenUnknown)?;
        let is_first = enrolment.used_at.is_none();
        enrolment.used_at.get_or_insert(at);
        Ok(is_first)
    }
}

#[async_trait]
impl Hosts for MemoryHosts {
    async fn host_enrolled(&self, host: EnrolledHost) -> Result<(), FleetError> {
        let hosts = &mut self.lock().hosts;
        let name = host.name.as_str();
        let has_name = |other: &EnrolledHost| other.id != host.id && other.name.as_str().eq_ignore_ascii_case(name);
        if hosts.values().any(|(other, _)| has_name(other)) {
            return Err(FleetError::NameTaken { name: host.name });
        }
        hosts.insert(host.id, (host, None));
        Ok(())
    }

    async fn host_heard(&self, host: HostId, report: HostReport, at: Timestamp) -> Result<(), FleetError> {
        let hosts = &mut self.lock().hosts;
        let (_, last) = hosts.get_mut(&host).ok_or(FleetError::HostUnknown { host })?;
        *last = Some((at, report));
        Ok(())
    }
}
