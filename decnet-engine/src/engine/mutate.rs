//! What a mutation would come to, before anyone makes it.

use std::collections::BTreeSet;

use decnet_topology::{
    Mutation, Status, StoredTopology, Topology, TopologyId, TopologyRow,
    mutation::{self, Context},
};
use serde::Serialize;

use super::{
    Engine, EngineError,
    converge::{Inside, Prepared, Target},
    force::Force,
};
use crate::{
    naming::ContainerName,
    plan::{Plan, PlanError},
};

/// What a mutation would come to.
#[derive(Debug, Clone, Serialize)]
pub struct MutationPreview {
    /// The maze afterwards.
    #[serde(skip)]
    pub topology: Topology,
    /// The steps, what drifted meanwhile included; none for a maze that is not up, whose edit touches nothing.
    pub plan: Plan,
    /// The containers that run now and would be started again or made anew.
    pub restarts: BTreeSet<ContainerName>,
    /// Why the mutation would be rejected for all that: the plan makes anew what the mutation has no `force` for.
    #[serde(skip)]
    pub refusal: Option<PlanError>,
}

impl Engine {
    /// Works out what a mutation would come to now, and changes nothing.
    ///
    /// It is held to all that the mutation itself would be held to. Mutations that wait in the queue are not in the maze yet, and
    /// not in the preview. Every base is asked about its routes, so that the steps are those that a mutation would really take.
    pub async fn plan_mutation(&self, id: TopologyId, mutation: &Mutation) -> Result<MutationPreview, EngineError> {
        let before = self.repo.load(id).await?;
        let topology = self.mutated(&before, mutation).await?;
        if before.row.status == Status::Pending {
            return Ok(MutationPreview {
                topology,
                plan: Plan::default(),
                restarts: BTreeSet::new(),
                refusal: None,
            });
        }
        let stand = self.stand(id).await?;
        let after = StoredTopology {
            row: before.row.clone(),
            topology,
        };
        let host = self.host_facts_of_change(&stand, &before, &after).await?;
        let allowed = self.outstanding(&after.row).await?.or(Force::by(mutation));
        let target = Target {
            stored: &after,
            settings: &after.row.settings,
            inside: Inside::Unknown,
            force: &Force::Everything,
        };
        let prepared = self
            .prepare(stand.instance, &stand.info, target, stand.observed, host.as_ref())
            .await?;
        let Prepared { observed, plan, .. } = prepared;
        Ok(MutationPreview {
            restarts: plan.restarts(&observed),
            refusal: allowed.permit(&after, &plan).err(),
            plan,
            topology: after.topology,
        })
    }

    /// Returns the maze that a mutation makes of a stored one, held to the rules and to what other topologies claim.
    pub(super) async fn mutated(&self, before: &StoredTopology, mutation: &Mutation) -> Result<Topology, EngineError> {
        let TopologyRow { status, intent, .. } = before.row;
        if status != Status::Pending && !before.row.takes_mutations() {
            return Err(EngineError::WrongStatus {
                status,
                intent,
                verb: "changed",
            });
        }
        let claims = self.repo.claims(Some(before.row.id)).await?;
        let context = Context::of(&before.row, &self.options.catalog, &claims);
        Ok(mutation::apply(&before.topology, mutation, &context)?)
    }
}
