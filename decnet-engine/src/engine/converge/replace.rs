//! Another maze in the place of a stored one.

use std::collections::BTreeSet;

use decnet_topology::{
    BatchEdit, Edit, Mutation, MutationBatch, MutationContext, Name, NewTopology, Status, StoredTopology, TopologyId,
    changes_packets, changes_published, difference,
};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{
    change::Inside,
    force::Force,
    work::{Stores, Task, Work},
};
use crate::engine::{
    DeployOptions, Engine, EngineError, Operation, Outcome, Replacement,
    operations::refuse_unused_rules,
    session::{
        facts::{CurrentState, Facts},
        lease::Session,
        status::mutation_event,
    },
};

impl Engine {
    /// Deploys another maze in the place of the stored one, in any status.
    ///
    /// A running topology is changed in one go: the [difference] of the two mazes is stored as mutations, together with the wanted
    /// maze, and then the runtime is changed once. Only what differs is touched. The wanted maze must pass the live rules; the mazes
    /// between two of the mutations need not. A pending topology gets the maze and is deployed. One that is failed, torn down or
    /// being torn down is cleared, and a fresh copy with the wanted maze is deployed.
    ///
    /// The same maze as the stored one is deployed as [`deploy`](Self::deploy) does.
    ///
    /// # Errors
    ///
    /// [`EngineError::Mutation`] if the wanted maze breaks rules, [`EngineError::WrongStatus`] while a deploy is unfinished,
    /// [`EngineError::QueueNotEmpty`] if mutations of a running topology are queued. Nothing was changed then.
    /// [`EngineError::MutationQueued`] if it was interrupted, or the runtime did not answer: the maze is stored, and the next drain
    /// continues. If steps fail, the topology is degraded, the mutations are failed, and [`reconcile`](Self::reconcile) repairs it.
    /// The others are those of [`deploy`](Self::deploy).
    pub async fn replace(
        &self,
        id: TopologyId,
        replacement: Replacement,
        cancel: &CancellationToken,
    ) -> Result<Outcome, EngineError> {
        self.run_now(id, Operation::Replace(Box::new(replacement)), cancel)
            .await
    }

    /// Plans the deploy of another maze.
    pub(super) async fn plan_replace(
        &self,
        facts: &Facts,
        stored: StoredTopology,
        wanted: &Replacement,
        copy: TopologyId,
    ) -> Result<Work, EngineError> {
        let mutations = difference(&stored.topology, &wanted.topology)?;
        let options = &wanted.options;
        if mutations.is_empty() {
            return self.plan_any_deploy(facts, stored, options, copy).await;
        }
        let row = &stored.row;
        if let Some(settings) = &options.settings {
            let (catalog, known) = (self.catalog_of(row), &row.settings);
            refuse_unused_rules(&catalog, &wanted.topology, known, settings)?;
        }
        match row.status {
            Status::Pending => {
                let after = StoredTopology {
                    row: row.clone(),
                    topology: wanted.topology.clone(),
                };
                let edit = Edit::new(wanted.topology.clone())
                    .catalog(self.excerpt_of(row, &wanted.topology))
                    .expected(row.version);
                let task = self.first_task_of(facts, after, options).await?;
                Ok(Work::Store {
                    stores: Box::new(Stores::Edit(edit)),
                    mutations,
                    task: Box::new(task),
                })
            }
            Status::Active | Status::Degraded if row.takes_mutations() => {
                self.plan_batch(facts, stored, wanted, mutations).await
            }
            Status::Deploying => Err(EngineError::wrong_status(row, "replaced")),
            _ => {
                let mut work = self
                    .plan_copy(facts, stored, Some(&wanted.topology), options, copy)
                    .await?;
                if let Work::DeployCopy { mutations: shown, .. } = &mut work {
                    *shown = mutations;
                }
                Ok(work)
            }
        }
    }

    /// Plans the deploy of a topology that is not stored yet, but has an id.
    pub(super) async fn plan_new(
        &self,
        facts: &Facts,
        new: NewTopology,
        options: &DeployOptions,
    ) -> Result<Work, EngineError> {
        let task = self
            .first_task_of(facts, new.as_stored(Timestamp::now()), options)
            .await?;
        Ok(Work::Store {
            stores: Box::new(Stores::New(new)),
            mutations: Vec::new(),
            task: Box::new(task),
        })
    }

    /// Plans the deploy of a pending topology of which nothing exists.
    async fn first_task_of(
        &self,
        facts: &Facts,
        stored: StoredTopology,
        options: &DeployOptions,
    ) -> Result<Task, EngineError> {
        let observed = self.observe(facts, stored.row.id).await?;
        let current = CurrentState {
            facts,
            before: &stored,
            observed,
        };
        self.first_task(current, stored.clone(), options).await
    }

    /// Plans the change of a running topology by several mutations at once.
    async fn plan_batch(
        &self,
        facts: &Facts,
        before: StoredTopology,
        wanted: &Replacement,
        mutations: Vec<Mutation>,
    ) -> Result<Work, EngineError> {
        let row = &before.row;
        if self.repo.has_unfinished(row.id).await? {
            return Err(EngineError::queue_not_empty(row));
        }
        let settings = wanted.options.settings.as_ref().unwrap_or(&row.settings);
        let claims = self.repo.claims(Some(row.id)).await?;
        let catalog = self.catalog_of(row);
        let context = MutationContext {
            publish: Some(&settings.publish),
            ..MutationContext::of(row, &catalog, &claims)
        };
        let mut batch = MutationBatch::apply(&before.topology, mutations, &context)?;
        let options = &wanted.options;
        if options.force || !options.force_deckies.is_empty() {
            // A later drain may recreate them, too.
            let published = changes_published(&before.topology, batch.topology());
            let packets = changes_packets(&before.topology, batch.topology(), &catalog);
            let mut recreated: BTreeSet<Name> = published.into_iter().chain(packets).cloned().collect();
            recreated.retain(|decky| options.force || options.force_deckies.contains(decky));
            batch = batch.forcing(&recreated);
        }
        let current = CurrentState {
            facts,
            before: &before,
            observed: self.observe(facts, row.id).await?,
        };
        let force = self.outstanding(row).await?.or(Force::of(&wanted.options));
        let valid = batch.topology().clone();
        let task = self
            .live_task(current, valid, settings, Inside::Unknown, &force)
            .await?;
        let changed = Some(settings).filter(|settings| **settings != row.settings);
        let excerpt = self.excerpt_of(row, batch.topology());
        let edit = BatchEdit::new(row.version, batch)
            .catalog(excerpt)
            .actor(wanted.actor.clone())
            .settings(changed.cloned());
        Ok(Work::Replace {
            task: Box::new(task),
            batch: Box::new(edit),
        })
    }
}

impl Session<'_> {
    /// Stores the mutations of a running topology with their result, and applies them with the plan that was made for them.
    pub(super) async fn replace(&self, task: Task, edit: BatchEdit) -> Result<Outcome, EngineError> {
        let edit = edit.held(self.lease.token());
        let (stored, queued) = self.engine.repo.store_batch(self.id, edit, Timestamp::now()).await?;
        for mutation in &queued {
            self.engine.publish_now(mutation_event(mutation));
        }
        let warnings = task.change.warnings.clone();
        let task = Task { stored, ..task };
        match queued.split_first() {
            Some((first, others)) => self.drain_planned(task, first, others, warnings).await,
            // A difference without mutations is a deploy.
            None => Ok(Outcome {
                row: task.stored.row,
                changed: 0,
                reason: None,
                given_up: Vec::new(),
                warnings,
                kept_volumes: Vec::new(),
            }),
        }
    }
}
