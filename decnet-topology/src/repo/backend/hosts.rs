//! Hosts of a fleet.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Deserialize;

use super::Backend;
use crate::{
    id::{AgentRunId, EnrolmentId, HostId},
    repo::{Enrolment, HostChange, HostRow, HostStore, RepoError},
};

#[async_trait]
impl<B: Backend> HostStore for B {
    async fn fleet_authority(&self) -> Result<Option<String>, RepoError> {
        self.read(|tables| tables.fleet_authority()).await
    }

    async fn set_fleet_authority(&self, expected: Option<&str>, authority: &str) -> Result<String, RepoError> {
        let input = (expected.map(str::to_owned), authority.to_owned());
        self.write(input, |tables, (expected, authority)| {
            tables.lock_placements()?;
            match tables.fleet_authority()? {
                Some(stored) if expected.as_ref() != Some(&stored) => Ok(stored),
                None if expected.is_some() => Err(RepoError::Corrupt {
                    what: "the authority of the fleet was removed".into(),
                }),
                _ => {
                    tables.set_fleet_authority(&authority)?;
                    Ok(authority)
                }
            }
        })
        .await
    }

    async fn add_enrolment(&self, enrolment: Enrolment, at: Timestamp) -> Result<(), RepoError> {
        self.write(enrolment, move |tables, enrolment| {
            let now = tables.now(at)?;
            tables.delete_enrolments(now)?;
            tables.put_enrolment(&enrolment)
        })
        .await
    }

    async fn enrolment(&self, id: EnrolmentId) -> Result<Option<Enrolment>, RepoError> {
        self.read(move |tables| tables.enrolment(id)).await
    }

    async fn enroll_host(&self, id: EnrolmentId, address: &str, at: Timestamp) -> Result<HostRow, RepoError> {
        self.write(address.to_owned(), move |tables, address| {
            tables.lock_placements()?;
            let mut enrolment = tables.enrolment(id)?.ok_or(RepoError::EnrolmentNotFound { id })?;
            if let Some(at) = enrolment.used_at {
                return Err(RepoError::EnrolmentUsed { id, at });
            }
            let mut row = HostRow::new(
                enrolment.host,
                enrolment.name.clone(),
                address,
                enrolment.profile.clone(),
                at,
            );
            let hosts = tables.hosts()?;
            // A host that was revoked since joins as another one, with a new token.
            if hosts.iter().any(|host| host.id == row.id && host.revoked_at.is_some()) {
                return Err(RepoError::EnrolmentNotFound { id });
            }
            let before = hosts.iter().find(|host| host.id == row.id);
            row.drained_at = before.and_then(|host| host.drained_at);
            let has_name = |other: &HostRow| other.id != row.id && other.revoked_at.is_none() && other.name == row.name;
            if let Some(other) = hosts.into_iter().find(has_name) {
                return Err(RepoError::HostNameTaken { name: other.name });
            }
            row.heard_at = Some(tables.now(at)?);
            enrolment.used_at = Some(at);
            tables.put_enrolment(&enrolment)?;
            tables.put_host(&row)?;
            Ok(row)
        })
        .await
    }

    async fn host_heard(&self, id: HostId, address: &str, report: &str, at: Timestamp) -> Result<(), RepoError> {
        let input = (address.to_owned(), report.to_owned());
        self.write(input, move |tables, (address, report)| {
            let mut row = tables.host(id)?;
            if row.revoked_at.is_some() {
                return Err(RepoError::HostNotFound { id });
            }
            if is_late(&report, row.report.as_deref()) {
                return Ok(());
            }
            row.address = address;
            row.heard_at = Some(tables.now(at)?);
            row.report = Some(report);
            tables.put_host(&row)
        })
        .await
    }

    async fn change_host(&self, id: HostId, change: HostChange, at: Timestamp) -> Result<HostRow, RepoError> {
        self.write((), move |tables, ()| {
            // A host that joins at the same time would undo the change.
            tables.lock_placements()?;
            let mut row = tables.host(id)?;
            change.apply(&mut row, at);
            tables.put_host(&row)?;
            Ok(row)
        })
        .await
    }

    async fn hosts(&self) -> Result<Vec<HostRow>, RepoError> {
        self.read(|tables| tables.hosts()).await
    }
}

/// What the store reads of a report.
#[derive(Deserialize)]
struct Made {
    run: AgentRunId,
    made_at: Timestamp,
}

/// Returns whether a report was made before the last one, by the same start of the agent. The clocks of two starts may differ.
fn is_late(report: &str, last: Option<&str>) -> bool {
    let made = |report| serde_json::from_str::<Made>(report).ok();
    match (made(report), last.and_then(made)) {
        (Some(made), Some(last)) => made.run == last.run && made.made_at < last.made_at,
        _ => false,
    }
}
