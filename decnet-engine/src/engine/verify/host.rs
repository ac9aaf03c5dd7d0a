//! What the host does to a maze: to its packets, and to the addresses of those who come.

use decnet_topology::{RuleSet, TopologyId};

use super::{containers, report::VerifyReport, sources};
use crate::{
    desired::Desired,
    engine::{Engine, EngineError},
    host::{self, Bridge, Cause},
    observe::{Observed, Scope},
    runtime::RuntimeInfo,
};

impl Engine {
    /// Looks whether the settings of the host lose packets of a topology that is up, or hide who comes to its published ports.
    ///
    /// It asks nothing of the deckies but one connection to a published port of each gateway, and changes nothing.
    pub async fn check_host(&self, id: TopologyId) -> Result<VerifyReport, EngineError> {
        let stored = self.repo.load(id).await?;
        let row = &stored.row;
        let info = self.runtime.info().await?;
        let instance = self.repo.instance().await?;
        let valid = self.validate(&stored, &row.settings, RuleSet::live(), None, id).await?;
        let desired = Desired::new(&valid, &self.desired_context(instance, id, &info, &row.settings)?)?;
        let observed = self.runtime.inspect(Scope::Topology(instance, id)).await?;
        let mut report = VerifyReport::default();
        sources(&mut report, &desired, &observed, &info).await;
        report.causes.extend(look(&observed, &info).await);
        Ok(report)
    }
}

/// Tries whether gateways see who comes to their published ports.
pub(super) async fn sources(report: &mut VerifyReport, desired: &Desired, observed: &Observed, info: &RuntimeInfo) {
    let there = containers::by_name(observed);
    for base in desired.bases.values().filter(|base| !base.publish.is_empty()) {
        let found = sources::verify(base, there.get(&base.name).copied(), info).await;
        for cause in &found.causes {
            if !report.causes.contains(cause) {
                report.causes.push(cause.clone());
            }
        }
        report.add(VerifyReport {
            causes: Vec::new(),
            ..found
        });
    }
}

/// Looks for what makes the host lose the maze's packets. Where Docker has all of the maze, something must.
pub(super) async fn causes(observed: &Observed, info: &RuntimeInfo, whole: bool) -> Vec<Cause> {
    let mut causes: Vec<_> = host::podman_masquerades()
        .filter(|_| info.podman && info.local)
        .into_iter()
        .collect();
    causes.extend(look(observed, info).await);
    if causes.is_empty() && whole {
        causes.push(host::unexplained());
    }
    causes
}

async fn look(observed: &Observed, info: &RuntimeInfo) -> Vec<Cause> {
    if !info.local {
        return vec![host::elsewhere()];
    }
    let bridges = observed.networks.iter();
    let bridges: Vec<_> = bridges.filter_map(|network| Bridge::of(network, info.podman)).collect();
    let looked = tokio::task::spawn_blocking(move || host::causes(&bridges)).await;
    looked.unwrap_or_default()
}
