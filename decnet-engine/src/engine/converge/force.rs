//! Which running bases may be recreated.

use std::collections::BTreeSet;

use decnet_topology::{
    AttachDecky, Mutation, MutationFilter, MutationState, Name, RemoveDecky, RepoError, Status, StoredTopology,
    TopologyRow, UpdateDecky,
};

use crate::{
    engine::{DeployOptions, Engine},
    naming::MazeNames,
    plan::{Plan, PlanError},
};

/// Which running bases may be recreated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::engine) enum Force {
    /// The bases of these deckies; may be empty.
    Deckies(BTreeSet<Name>),
    /// All.
    Everything,
}

impl Force {
    /// Returns what a mutation allows.
    pub(in crate::engine) fn by(mutation: &Mutation) -> Self {
        Self::Deckies(forced(mutation).cloned().into_iter().collect())
    }

    /// Returns what the options of a deploy allow.
    pub(in crate::engine) fn of(options: &DeployOptions) -> Self {
        if options.force {
            Self::Everything
        } else {
            Self::Deckies(options.force_deckies.clone())
        }
    }

    /// Allows what at least one of the two allows.
    pub(in crate::engine) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Deckies(some), Self::Deckies(more)) => Self::Deckies(some.into_iter().chain(more).collect()),
            _ => Self::Everything,
        }
    }

    /// Refuses a plan that recreates any other running base.
    pub(in crate::engine) fn permit(&self, stored: &StoredTopology, plan: &Plan) -> Result<(), PlanError> {
        match self {
            Self::Everything => Ok(()),
            Self::Deckies(names) => {
                let deckies = names.iter().filter_map(|name| stored.topology.decky_named(name));
                let bases: BTreeSet<_> = deckies.map(|decky| MazeNames::of(&stored.row).base(decky)).collect();
                plan.require_no_destruction(&|container| bases.contains(container))
            }
        }
    }
}

/// Returns the decky whose base a mutation allows to recreate, if any. A removal allows it for a decky that a later mutation adds
/// again under the same name.
fn forced(mutation: &Mutation) -> Option<&Name> {
    match mutation {
        Mutation::AttachDecky(AttachDecky { decky, force: true, .. })
        | Mutation::UpdateDecky(UpdateDecky { decky, force: true, .. })
        | Mutation::RemoveDecky(RemoveDecky { decky, .. }) => Some(decky),
        _ => None,
    }
}

impl Engine {
    /// Returns what was allowed by mutations that are in the maze but not yet confirmed on the runtime.
    ///
    /// A failed mutation with `force` is repaired with that force: nobody needs to give it again.
    pub(in crate::engine) async fn outstanding(&self, row: &TopologyRow) -> Result<Force, RepoError> {
        let events = self.repo.status_events(row.id).await?;
        let matched = events.iter().rfind(|event| event.to == Status::Active);
        let matched = matched.map(|event| event.at);
        let unconfirmed = MutationFilter::default().topology(row.id).states([
            MutationState::Pending,
            MutationState::Applying,
            MutationState::Failed,
        ]);
        let unconfirmed = self.repo.mutations(&unconfirmed).await?.rows;
        let deckies = unconfirmed.iter().filter_map(|mutation| {
            // A finished mutation no longer counts if the runtime was observed to match after it was stored.
            let late = matched.is_none_or(|matched| mutation.stored_at.is_some_and(|stored| stored >= matched));
            let counts = mutation.stored_at.is_some() && (late || !mutation.state.is_final());
            forced(&mutation.mutation).filter(|_| counts)
        });
        Ok(Force::Deckies(deckies.cloned().collect()))
    }
}
