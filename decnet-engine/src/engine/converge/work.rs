//! The only place where an operation on a topology is planned.

use std::collections::BTreeSet;

use decnet_topology::{
    BatchEdit, DeploySettings, Edit, Finding, Mutation, NewMutation, NewTopology, RepoError, RuleSet, Status,
    StoredTopology, Topology, TopologyFilter, TopologyId, TopologyRow, ValidTopology, Version,
};
use futures_util::try_join;

use super::{
    change::{Change, Inside, Target},
    force::Force,
    remains::Remains,
};
use crate::{
    engine::{
        DeployOptions, Engine, EngineError, LostHost, Operation,
        error::require_version,
        operations::refuse_unused_rules,
        session::{
            facts::{CurrentState, Facts},
            placing::{has_place, require_fleet},
        },
    },
    naming::ContainerName,
    observe::Observed,
    plan::{Plan, PlanError},
};

/// The planned work of an operation, not begun yet.
#[derive(Debug, Clone)]
pub(in crate::engine) enum Work {
    /// A pending topology is edited.
    Edit {
        row: TopologyRow,
        new: NewMutation,
        topology: Topology,
        nothing: Plan,
    },
    /// A topology is deployed that is pending or whose deploy was interrupted.
    Deploy(Box<Task>),
    /// A new or pending maze is stored, and deployed.
    Store {
        stores: Box<Stores>,
        /// The difference from the stored maze.
        mutations: Vec<Mutation>,
        task: Box<Task>,
    },
    /// The remains of a topology are cleared, and a fresh copy of it is deployed.
    DeployCopy {
        row: TopologyRow,
        remains: Option<Remains>,
        /// The hosts that left the fleet, and that may still have a part of the topology.
        given_up: Vec<LostHost>,
        task: Box<Task>,
        /// The difference from the stored maze, if another one is wanted.
        mutations: Vec<Mutation>,
        /// The steps of both, in order.
        plan: Plan,
    },
    /// A running topology is reconciled with the stored maze.
    Reconcile(Box<Task>),
    /// A decky or a service of a running topology is restarted.
    Restart(Box<Task>),
    /// A running topology is changed by a mutation.
    Mutate { task: Box<Task>, new: NewMutation },
    /// A running topology is changed by several mutations at once.
    Replace { task: Box<Task>, batch: Box<BatchEdit> },
    /// A topology is torn down.
    Teardown {
        row: TopologyRow,
        remains: Remains,
        /// The hosts that left the fleet, and that may still have a part of it.
        given_up: Vec<LostHost>,
    },
}

/// What is stored before a deploy.
#[derive(Debug, Clone)]
pub(in crate::engine) enum Stores {
    /// A new topology.
    New(NewTopology),
    /// Another maze of a pending topology.
    Edit(Edit),
}

/// A topology, and the change that makes the runtime match it.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Task {
    /// The desired maze, in its row.
    pub(in crate::engine) stored: StoredTopology,
    pub(in crate::engine) settings: DeploySettings,
    pub(in crate::engine) change: Change,
    /// The reason why the plan must not be executed, if any.
    pub(in crate::engine) refusal: Option<PlanError>,
}

impl Task {
    /// Wraps a change, and records why it must not be executed.
    pub(super) fn new(stored: StoredTopology, settings: DeploySettings, change: Change, force: &Force) -> Self {
        let refusal = force.permit(&stored, &change.plan).err();
        Self {
            stored,
            settings,
            change,
            refusal,
        }
    }
}

impl Work {
    fn task(&self) -> Option<&Task> {
        match self {
            Self::Deploy(task)
            | Self::Store { task, .. }
            | Self::DeployCopy { task, .. }
            | Self::Reconcile(task)
            | Self::Restart(task)
            | Self::Mutate { task, .. }
            | Self::Replace { task, .. } => Some(task),
            Self::Edit { .. } | Self::Teardown { .. } => None,
        }
    }

    pub(in crate::engine) fn plan(&self) -> &Plan {
        match self {
            Self::Edit { nothing, .. } => nothing,
            Self::Deploy(task)
            | Self::Store { task, .. }
            | Self::Reconcile(task)
            | Self::Restart(task)
            | Self::Mutate { task, .. }
            | Self::Replace { task, .. } => &task.change.plan,
            Self::DeployCopy { plan, .. } => plan,
            Self::Teardown { remains, .. } => &remains.plan,
        }
    }

    /// Returns the mutations, or the difference from the stored maze.
    pub(in crate::engine) fn mutations(&self) -> Vec<&Mutation> {
        match self {
            Self::Edit { new, .. } | Self::Mutate { new, .. } => vec![&new.mutation],
            Self::Store { mutations, .. } | Self::DeployCopy { mutations, .. } => mutations.iter().collect(),
            Self::Replace { batch, .. } => batch.batch.mutations().collect(),
            Self::Deploy(_) | Self::Reconcile(_) | Self::Restart(_) | Self::Teardown { .. } => Vec::new(),
        }
    }

    pub(in crate::engine) fn warnings(&self) -> &[Finding] {
        self.task().map_or(&[], |task| &task.change.warnings)
    }

    /// Says which hosts do not answer, so that nothing is planned there.
    pub(in crate::engine) fn unseen(&self) -> Vec<String> {
        match self {
            Self::Teardown { remains, .. } => remains.observed.silence().collect(),
            work => {
                let task = work.task();
                task.map(|task| task.change.observed.silence().collect())
                    .unwrap_or_default()
            }
        }
    }

    /// Returns the hosts that left the fleet, and that a teardown does not ask.
    pub(in crate::engine) fn given_up(&self) -> &[LostHost] {
        match self {
            Self::Teardown { given_up, .. } | Self::DeployCopy { given_up, .. } => given_up,
            _ => &[],
        }
    }

    pub(in crate::engine) fn refusal(&self) -> Option<&PlanError> {
        self.task()?.refusal.as_ref()
    }

    pub(in crate::engine) fn restarts(&self) -> BTreeSet<ContainerName> {
        let restarts = |task: &Task| task.change.plan.restarts(&task.change.observed);
        self.task().map(restarts).unwrap_or_default()
    }

    pub(in crate::engine) fn topology(&self) -> Option<&Topology> {
        match self {
            Self::Edit { topology, .. } => Some(topology),
            work => work.task().map(|task| &task.stored.topology),
        }
    }
}

impl Engine {
    /// Plans an operation. If a fresh copy is deployed, it gets the id `copy`. Changes nothing.
    pub(in crate::engine) async fn plan_work(
        &self,
        facts: &Facts,
        id: TopologyId,
        operation: &Operation,
        copy: TopologyId,
        expected: Option<Version>,
    ) -> Result<Work, EngineError> {
        let stored = self.repo.load(id).await?;
        let row = &stored.row;
        require_version(row, expected)?;
        require_fleet(facts, row)?;
        match operation {
            Operation::Deploy(options) => self.plan_any_deploy(facts, stored, options, copy).await,
            Operation::Replace(wanted) => self.plan_replace(facts, stored, wanted, copy).await,
            Operation::Reconcile { force } => {
                if row.takes_mutations() {
                    let options = DeployOptions::default().force(*force);
                    return self.plan_reconcile(facts, stored, &options).await;
                }
                match row.status {
                    // It is already being torn down.
                    Status::TearingDown | Status::Degraded => self.plan_teardown(facts, stored.row, false).await,
                    _ => Err(EngineError::wrong_status(row, "reconciled")),
                }
            }
            Operation::Restart(options) => self.plan_restart(facts, stored, options).await,
            Operation::Teardown { force } => self.plan_teardown(facts, stored.row, *force).await,
            Operation::Mutate(new) => match self.plan_edit_of(&stored, new).await? {
                Some(edit) => Ok(edit),
                None => self.plan_mutation(facts, stored, new).await,
            },
        }
    }

    /// Plans the edit of a pending topology by a mutation; none for other operations. It needs no runtime.
    pub(in crate::engine) async fn plan_edit(
        &self,
        id: TopologyId,
        operation: &Operation,
    ) -> Result<Option<Work>, EngineError> {
        let Operation::Mutate(new) = operation else {
            return Ok(None);
        };
        self.plan_edit_of(&self.repo.load(id).await?, new).await
    }

    async fn plan_edit_of(&self, stored: &StoredTopology, new: &NewMutation) -> Result<Option<Work>, EngineError> {
        if stored.row.status != Status::Pending {
            return Ok(None);
        }
        let topology = self.mutated(stored, &new.mutation).await?;
        Ok(Some(Work::Edit {
            row: stored.row.clone(),
            new: new.clone(),
            topology: topology.into_topology(),
            nothing: Plan::empty(),
        }))
    }

    /// Plans the deploy of a topology in any status.
    pub(super) async fn plan_any_deploy(
        &self,
        facts: &Facts,
        stored: StoredTopology,
        options: &DeployOptions,
        copy: TopologyId,
    ) -> Result<Work, EngineError> {
        let row = &stored.row;
        if let Some(settings) = &options.settings {
            let (catalog, known) = (self.catalog_of(row), &row.settings);
            refuse_unused_rules(&catalog, &stored.topology, known, settings)?;
        }
        match row.status {
            Status::Pending | Status::Deploying => self.plan_deploy(facts, stored, options).await,
            Status::Active | Status::Degraded if row.takes_mutations() => {
                self.plan_reconcile(facts, stored, options).await
            }
            _ => self.plan_copy(facts, stored, None, options, copy).await,
        }
    }

    async fn plan_deploy(
        &self,
        facts: &Facts,
        stored: StoredTopology,
        options: &DeployOptions,
    ) -> Result<Work, EngineError> {
        let observed = self.observe(facts, stored.row.id).await?;
        let current = CurrentState { facts, observed };
        let task = self.first_task(current, &stored, stored.clone(), options).await?;
        Ok(Work::Deploy(Box::new(task)))
    }

    /// Plans the deploy of a fresh copy, of the stored or another maze.
    pub(super) async fn plan_copy(
        &self,
        facts: &Facts,
        stored: StoredTopology,
        wanted: Option<&Topology>,
        options: &DeployOptions,
        copy: TopologyId,
    ) -> Result<Work, EngineError> {
        self.refuse_taken_name(&stored.row).await?;
        let given_up = self.reach(&stored.row).await?.given_up(&stored.row, options.force)?;
        let observed = self.observe(facts, stored.row.id).await?;
        let fresh = StoredTopology {
            row: TopologyRow {
                id: copy,
                status: Status::Pending,
                intent: None,
                placement: None,
                ..stored.row.clone()
            },
            topology: wanted.unwrap_or(&stored.topology).clone(),
        };
        let current = CurrentState {
            facts,
            observed: observed.clone(),
        };
        let task = self.first_task(current, &stored, fresh, options).await?;
        let is_left = stored.row.status != Status::TornDown || !observed.is_empty();
        let remains = is_left.then(|| Remains::new(facts.instance, stored.row.id, observed));
        let plan = match &remains {
            Some(remains) => remains.plan.then(&task.change.plan),
            None => task.change.plan.clone(),
        };
        Ok(Work::DeployCopy {
            row: stored.row,
            remains,
            given_up,
            task: Box::new(task),
            mutations: Vec::new(),
            plan,
        })
    }

    /// Plans the deploy of a topology that does not run, with all rules. `current` is the state of `before`: the topology itself,
    /// or the one that it is a copy of and that is cleared first.
    pub(super) async fn first_task(
        &self,
        current: CurrentState<'_>,
        before: &StoredTopology,
        stored: StoredTopology,
        options: &DeployOptions,
    ) -> Result<Task, EngineError> {
        let settings = options.settings.clone().unwrap_or_else(|| stored.row.settings.clone());
        self.refuse_taken_host(&stored.row, before.row.id).await?;
        self.refuse_unfit_host(&stored, before.row.id).await?;
        let stored = self
            .place_with(&current, stored, before.row.id, &settings, options.force)
            .await?;
        let host = self.host_facts(&current, before, &stored).await?;
        let target = Target {
            stored: &stored,
            settings: &settings,
            before: None,
            inside: Inside::Unknown,
            rules: RuleSet::deploy(),
            claims: before.row.id,
        };
        let observed = if stored.row.id == before.row.id {
            current.observed
        } else {
            Observed::default()
        };
        let change = self.change(current.facts, target, observed, Some(&host)).await?;
        Ok(Task::new(stored, settings, change, &Force::of(options)))
    }

    async fn plan_reconcile(
        &self,
        facts: &Facts,
        stored: StoredTopology,
        options: &DeployOptions,
    ) -> Result<Work, EngineError> {
        let row = stored.row.clone();
        let settings = options.settings.clone().unwrap_or_else(|| row.settings.clone());
        let (observed, outstanding) =
            try_join!(self.observe(facts, row.id), async { Ok(self.outstanding(&row).await?) })?;
        let mut current = CurrentState { facts, observed };
        let placed = self
            .place_with(&current, stored.clone(), row.id, &settings, options.force)
            .await;
        let (stored, misplaced) = match placed {
            Ok(placed) => (placed, None),
            // What runs is healed where it is.
            Err(fault) if !options.force && settings == row.settings && has_place(&stored, &fault) => {
                self.mark_lost(&row, &mut current.observed).await?;
                (stored, Some(fault.with_causes()))
            }
            Err(error) => return Err(error),
        };
        // A running maze already has its ports; only changed settings may need ports that others use.
        let mut target = Target::live(&stored, &settings);
        let host = if settings == row.settings {
            None
        } else {
            target = target.since(&stored, Inside::Unknown);
            Some(self.host_facts(&current, &stored, &stored).await?)
        };
        let mut change = self.change(facts, target, current.observed, host.as_ref()).await?;
        change.misplaced = misplaced;
        let force = outstanding.or(Force::of(options));
        Ok(Work::Reconcile(Box::new(Task::new(stored, settings, change, &force))))
    }

    async fn plan_mutation(
        &self,
        facts: &Facts,
        before: StoredTopology,
        new: &NewMutation,
    ) -> Result<Work, EngineError> {
        let topology = self.mutated(&before, &new.mutation).await?;
        let current = CurrentState {
            facts,
            observed: self.observe(facts, before.row.id).await?,
        };
        let force = self.outstanding(&before.row).await?.or(Force::by(&new.mutation));
        let settings = &before.row.settings;
        let task = self
            .live_task(current, &before, topology, settings, Inside::Unknown, &force)
            .await?;
        Ok(Work::Mutate {
            task: Box::new(task),
            new: new.clone(),
        })
    }

    /// Plans the change of a running topology by mutations, and to other settings.
    pub(in crate::engine) async fn live_task(
        &self,
        current: CurrentState<'_>,
        before: &StoredTopology,
        valid: ValidTopology,
        settings: &DeploySettings,
        inside: Inside,
        force: &Force,
    ) -> Result<Task, EngineError> {
        let row = TopologyRow {
            settings: settings.clone(),
            ..before.row.clone()
        };
        let stored = StoredTopology {
            row,
            topology: valid.topology().clone(),
        };
        let stored = self
            .place_with(&current, stored, before.row.id, settings, false)
            .await?;
        let host = self.host_facts_of_change(&current, before, &stored).await?;
        let target = Target::live(&stored, settings).since(before, inside);
        let change = match &host {
            // The changed maze has already passed these rules, except those about the host.
            None => self.change_to(current.facts, target, &valid, current.observed).await?,
            Some(host) => self.change(current.facts, target, current.observed, Some(host)).await?,
        };
        Ok(Task::new(stored, settings.clone(), change, force))
    }

    /// Places a maze on the fleet with other settings than the stored ones.
    async fn place_with(
        &self,
        current: &CurrentState<'_>,
        mut stored: StoredTopology,
        before: TopologyId,
        settings: &DeploySettings,
        force: bool,
    ) -> Result<StoredTopology, EngineError> {
        let known = std::mem::replace(&mut stored.row.settings, settings.clone());
        let mut placed = self.placed(current.facts, stored, before, force).await?;
        placed.row.settings = known;
        Ok(placed)
    }

    async fn plan_teardown(&self, facts: &Facts, row: TopologyRow, force: bool) -> Result<Work, EngineError> {
        let given_up = self.reach(&row).await?.given_up(&row, force)?;
        let observed = self.observe(facts, row.id).await?;
        Ok(Work::Teardown {
            remains: Remains::new(facts.instance, row.id, observed),
            given_up,
            row,
        })
    }

    /// Refuses to copy a torn-down topology if another one has its name now.
    async fn refuse_taken_name(&self, row: &TopologyRow) -> Result<(), EngineError> {
        let rows = self.repo.list(&TopologyFilter::default()).await?.rows;
        let is_namesake =
            |other: &TopologyRow| other.id != row.id && other.status != Status::TornDown && other.name == row.name;
        match rows.into_iter().find(is_namesake) {
            Some(TopologyRow { name, id, .. }) => Err(RepoError::NameTaken { name, id }.into()),
            None => Ok(()),
        }
    }
}
