//! The remaining resources of a topology, and their removal.

use std::time::Duration;

use decnet_topology::{InstanceId, TopologyId};
use tokio_util::sync::CancellationToken;

use crate::{
    desired::Desired,
    engine::{
        Engine, EngineError,
        session::{facts::Facts, lease::Session},
    },
    event::Trigger,
    execute::{OnFailure, StepFailure},
    naming::VolumeName,
    observe::{Observed, ObservedImage, Scope},
    plan::{Action, Plan, diff},
};

/// The resources of a topology, and the plan that removes them.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Remains {
    pub(in crate::engine) observed: Observed,
    pub(in crate::engine) plan: Plan,
}

impl Remains {
    /// Makes the plan that removes everything.
    pub(in crate::engine) fn new(instance: InstanceId, id: TopologyId, observed: Observed) -> Self {
        let plan = diff(&Desired::nothing(instance, id), &observed);
        Self { observed, plan }
    }
}

/// How often a topology is cleared while new resources keep appearing, and the pause between two rounds.
const CLEARING_ROUNDS: usize = 5;
const CLEARING_PAUSE: Duration = Duration::from_millis(500);

/// The result of clearing a topology.
#[derive(Debug, Default)]
pub(in crate::engine) struct Clearing {
    /// How many steps changed something.
    pub(in crate::engine) changed: usize,
    /// The steps that failed in the last round.
    pub(in crate::engine) failures: Vec<StepFailure>,
    /// What is left.
    pub(in crate::engine) leftovers: Vec<String>,
    /// Whether a host does not answer.
    pub(in crate::engine) unseen: bool,
    /// The volumes that stay, because the catalogue says so.
    pub(in crate::engine) kept_volumes: Vec<VolumeName>,
}

impl Engine {
    /// Observes the resources of a topology.
    pub(in crate::engine) async fn observe(&self, facts: &Facts, id: TopologyId) -> Result<Observed, EngineError> {
        let scope = Scope::Topology(facts.instance, id);
        let observed = self.runtime.inspect(scope).await?;
        self.without_strangers(id, observed).await
    }
}

impl Session<'_> {
    /// Observes the resources of the topology, to remove them.
    pub(in crate::engine) async fn remains(&self) -> Result<Remains, EngineError> {
        Ok(Remains::new(self.facts.instance, self.id, self.observe().await?))
    }

    /// Removes all resources, continues after errors, and returns the result with what is left.
    ///
    /// If an earlier run `was_interrupted`, the runtime may still work on its last request, so a network, container or image may appear
    /// later. It then waits a moment and observes again.
    pub(in crate::engine) async fn clear(
        &self,
        mut remains: Remains,
        was_interrupted: bool,
        cancel: &CancellationToken,
    ) -> Result<Clearing, EngineError> {
        let mut clearing = Clearing::default();
        for round in 1..=CLEARING_ROUNDS {
            let Remains { observed, plan } = &remains;
            let execution = match self.engine.agent() {
                None => self.execute(plan, OnFailure::GoOn, cancel).await?,
                Some(_) => self.take_down_pushed(plan, cancel).await?,
            };
            self.engine
                .publish_deckies(self.id, observed, plan, &execution, Trigger::Retirement);
            clearing.changed += execution.changed.len();
            clearing.failures = execution.failures;
            let changed = execution.changed.iter().map(|step| &plan.steps()[*step].action);
            let removed: Vec<_> = changed.filter_map(removed_image).collect();
            let mut known = observed.images.clone();
            known.retain(|image| !removed.contains(image));
            remains = self.remains().await?;
            // The runtime may have finished loading an image meanwhile. It may also be one that the deploy of another maze needs.
            let is_late = remains.observed.images.iter().any(|image| !known.contains(image));
            clearing.leftovers = leftovers(&remains.observed);
            clearing.unseen = !remains.observed.unseen.is_empty();
            clearing.kept_volumes = remains.observed.kept_volumes().cloned().collect();
            let quiet = clearing.leftovers.is_empty() && !is_late && (round > 1 || !was_interrupted);
            if quiet || !clearing.failures.is_empty() || cancel.is_cancelled() {
                break;
            }
            tokio::time::sleep(CLEARING_PAUSE).await;
        }
        Ok(clearing)
    }
}

/// Returns the image that an action removes.
fn removed_image(action: &Action) -> Option<ObservedImage> {
    match action {
        Action::RemoveImage { reference, host } => Some(ObservedImage {
            reference: reference.clone(),
            host: host.clone(),
        }),
        _ => None,
    }
}

/// Names the found resources, for people. Volumes that are kept are not left over.
pub(in crate::engine) fn leftovers(observed: &Observed) -> Vec<String> {
    let containers = observed
        .containers
        .iter()
        .map(|container| format!("container {}", container.name));
    let networks = observed
        .networks
        .iter()
        .map(|network| format!("network {}", network.name));
    let volumes = observed.volumes.iter().filter(|volume| !volume.is_kept());
    let volumes = volumes.map(|volume| format!("volume {}", volume.name));
    let links = observed
        .links
        .iter()
        .flatten()
        .map(|link| format!("link {}", link.name));
    containers
        .chain(networks)
        .chain(volumes)
        .chain(links)
        .chain(observed.silence())
        .collect()
}
