//! Drift inside the bases, which lists of the runtime do not show: routes, forwarding and containment that differ from their
//! state, and replaced programs.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};

use crate::{
    desired::{BaseSpec, Desired},
    engine::{Engine, EngineError},
    naming::{ContainerName, Role},
    observe::{Activity, Observed, ObservedContainer},
    runtime::{NetworkCheck, RuntimeError, deviation::describe},
};

/// The number and pauses of further checks of a base that deviates: after a start, a base sets its routes a few milliseconds
/// later.
const CHECKS: usize = 5;
const PAUSE: Duration = Duration::from_millis(100);
/// How long a base counts as newly started.
const JUST_STARTED: SignedDuration = SignedDuration::from_secs(2);

/// Which bases are checked, and with which retries.
#[derive(Debug, Clone, Copy)]
pub(in crate::engine) enum Asked<'a> {
    /// All.
    All,
    /// These newly started bases, which get a moment to set their state.
    Settling(&'a BTreeSet<&'a ContainerName>),
}

impl Engine {
    /// Checks running bases that should exist, and marks those that deviate or were tampered with.
    pub(in crate::engine) async fn check_inside(
        &self,
        desired: &Desired,
        observed: &mut Observed,
        asked: Asked<'_>,
    ) -> Result<(), EngineError> {
        let running = observed
            .containers
            .iter()
            .filter(|container| container.role() == Some(Role::Base) && container.activity == Activity::Running)
            .filter(|container| match asked {
                Asked::All => true,
                Asked::Settling(begun) => begun.contains(&container.name),
            });
        let running: Vec<&ObservedContainer> = running.collect();
        let checks = match asked {
            Asked::All => self.check_networks(desired, &running).await?,
            Asked::Settling(_) => {
                let bases: Vec<_> = running
                    .iter()
                    .filter_map(|found| desired.bases.get(&found.name))
                    .collect();
                self.check_settling(&bases, |_| true).await?
            }
        };
        for container in &mut observed.containers {
            let check = checks.get(&container.name);
            // If a base cannot be checked, its state is set again; if that fails too, the error has the reason.
            container.deviates = check.and_then(deviation);
            container.tampered = check.and_then(NetworkCheck::tampered).map(Into::into);
        }
        Ok(())
    }

    /// Checks the bases among the containers. A newly started one gets a moment to set its state.
    pub(in crate::engine) async fn check_networks(
        &self,
        desired: &Desired,
        containers: &[&ObservedContainer],
    ) -> Result<BTreeMap<ContainerName, NetworkCheck>, RuntimeError> {
        let found = containers
            .iter()
            .filter_map(|found| Some((desired.bases.get(&found.name)?, found.started_at)));
        let (bases, starts): (Vec<_>, Vec<_>) = found.unzip();
        let starts: BTreeMap<_, _> = bases.iter().map(|base| &base.name).zip(starts).collect();
        let just_started = |base: &BaseSpec| {
            let recent = Timestamp::now() - JUST_STARTED;
            starts[&base.name].is_some_and(|started| started > recent)
        };
        self.check_settling(&bases, just_started).await
    }

    /// Returns whether a newly started base matches its state now or shortly after.
    pub(in crate::engine) async fn settles(&self, base: &BaseSpec) -> Result<bool, EngineError> {
        let checks = self.check_settling(&[base], |_| true).await?;
        Ok(checks.values().all(matches_state))
    }

    /// Checks bases. If one deviates and `settling` is true for it, it is checked again.
    async fn check_settling(
        &self,
        bases: &[&BaseSpec],
        settling: impl Fn(&BaseSpec) -> bool,
    ) -> Result<BTreeMap<ContainerName, NetworkCheck>, RuntimeError> {
        let mut checks = self.runtime.check_network(bases).await?;
        for _ in 1..CHECKS {
            let again = bases.iter().copied().filter(|base| {
                let check = checks.get(&base.name);
                check.and_then(deviation).is_some() && settling(base)
            });
            let again: Vec<_> = again.collect();
            if again.is_empty() {
                break;
            }
            tokio::time::sleep(PAUSE).await;
            checks.extend(self.runtime.check_network(&again).await?);
        }
        Ok(checks)
    }
}

/// Returns how a base differs from its state, or why that is unknown; none if it was tampered with.
fn deviation(check: &NetworkCheck) -> Option<String> {
    match check {
        NetworkCheck::Checked { report, .. } => describe(report),
        NetworkCheck::Tampered { .. } => None,
        NetworkCheck::Unchecked { why } => Some(format!("cannot be checked: {why}")),
    }
}

/// Returns whether a base was found to match its state.
fn matches_state(check: &NetworkCheck) -> bool {
    matches!(check, NetworkCheck::Checked { .. }) && deviation(check).is_none()
}
