use std::collections::BTreeSet;

use crate::{
    history::{self, DeckyChange},
    model::Topology,
    mutation::{Mutation, MutationContext, MutationError, apply::change, check::check},
    name::Name,
    validate::ValidTopology,
};

/// Several mutations of one maze, applied as one change.
///
/// Only the result must pass the live rules; the mazes in between may break them. It does not refuse a change of published ports
/// without `force`: the plan of the whole change shows what is recreated.
#[derive(Debug, Clone, PartialEq)]
pub struct MutationBatch {
    steps: Vec<Step>,
    topology: ValidTopology,
}

/// One mutation, and how it changed the deckies.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Step {
    pub(crate) mutation: Mutation,
    pub(crate) changes: Vec<DeckyChange>,
}

impl MutationBatch {
    /// Applies mutations in order, and validates the result. The given maze is unchanged.
    ///
    /// # Errors
    ///
    /// That of the first mutation that names something unknown, and so on, or [`MutationError::ResultInvalid`] if the maze after the
    /// last one breaks rules.
    pub fn apply(
        before: &Topology,
        mutations: impl IntoIterator<Item = Mutation>,
        context: &MutationContext<'_>,
    ) -> Result<Self, MutationError> {
        let mut maze = before.clone();
        let mut steps = Vec::new();
        for mutation in mutations {
            let after = change(&maze, &mutation, context)?;
            let changes = history::changes(&maze, &after);
            steps.push(Step { mutation, changes });
            maze = after;
        }
        let topology = check(maze, context)?;
        Ok(Self { steps, topology })
    }

    /// Sets `force` in the updates and attachments of these deckies: their bases may be recreated.
    #[must_use]
    pub fn forcing(mut self, deckies: &BTreeSet<Name>) -> Self {
        for step in &mut self.steps {
            match &mut step.mutation {
                Mutation::AttachDecky(attach) if deckies.contains(&attach.decky) => attach.force = true,
                Mutation::UpdateDecky(update) if deckies.contains(&update.decky) => update.force = true,
                _ => {}
            }
        }
        self
    }

    /// Walks the mutations, in order.
    pub fn mutations(&self) -> impl ExactSizeIterator<Item = &Mutation> {
        self.steps.iter().map(|step| &step.mutation)
    }

    /// Returns the maze after the last mutation.
    pub fn topology(&self) -> &ValidTopology {
        &self.topology
    }

    pub(crate) fn into_parts(self) -> (Vec<Step>, Topology) {
        (self.steps, self.topology.into_topology())
    }
}
