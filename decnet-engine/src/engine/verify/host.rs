//! Effects of the host on a maze: on its packets, and on the addresses of visitors.

use decnet_topology::{RuleSet, StoredTopology, TopologyId};

use super::{containers, report::VerifyReport, sources};
use crate::{
    desired::Desired,
    engine::{Engine, EngineError, catalog::Unknown},
    host::{self, Bridge, Cause},
    observe::{Observed, Scope},
    runtime::RuntimeInfo,
};

impl Engine {
    /// Checks whether settings of the host drop packets of a running topology, or hide the visitors of its published ports.
    ///
    /// It makes one connection to a published port of each gateway, sends nothing else to the deckies, and changes nothing.
    pub async fn check_host(&self, id: TopologyId) -> Result<VerifyReport, EngineError> {
        let stored = self.repo.load(id).await?;
        self.for_row(&stored.row).await?.check_host_of(stored).await
    }

    async fn check_host_of(&self, stored: StoredTopology) -> Result<VerifyReport, EngineError> {
        let (id, row) = (stored.row.id, &stored.row);
        let facts = self.facts().await?;
        let (info, instance) = (&*facts.info.for_row(row), facts.instance);
        let catalog = self.catalog_of(row);
        let (known, _) = Unknown::take(&stored, &catalog);
        let valid = self.validate(&known, &row.settings, RuleSet::live(), None, id).await?;
        let desired = Desired::new(&valid, &self.desired_context(&facts, row, &catalog, &row.settings)?)?;
        let observed = self.runtime.inspect(Scope::Topology(instance, id)).await?;
        let mut report = VerifyReport::default();
        sources(&mut report, &desired, &observed, info).await;
        report.causes.extend(known_causes(&observed, info).await);
        Ok(report)
    }
}

/// Checks whether gateways see the addresses of visitors.
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

/// Finds out why the host drops the maze's packets. If Docker has all resources of the maze, there must be a reason.
pub(super) async fn causes(observed: &Observed, info: &RuntimeInfo, whole: bool) -> Vec<Cause> {
    let mut causes: Vec<_> = host::podman_masquerades()
        .filter(|_| info.podman && info.local)
        .into_iter()
        .collect();
    causes.extend(known_causes(observed, info).await);
    if causes.is_empty() && whole {
        causes.push(host::unexplained());
    }
    causes
}

async fn known_causes(observed: &Observed, info: &RuntimeInfo) -> Vec<Cause> {
    if !info.local {
        return vec![host::elsewhere()];
    }
    let bridges = observed.networks.iter();
    let bridges: Vec<_> = bridges.filter_map(|network| Bridge::of(network, info.podman)).collect();
    let causes = tokio::task::spawn_blocking(move || host::causes(&bridges)).await;
    causes.unwrap_or_default()
}
