//! The only place where an operation on a topology is planned.

use decnet_topology::{
    DeploySettings, NewMutation, RepoError, RuleSet, Status, StoredTopology, Topology, TopologyFilter, TopologyId,
    TopologyRow, ValidTopology, Version,
};
use futures_util::try_join;

use super::{
    change::{Inside, Target},
    force::Force,
    remains::Remains,
    work::{Task, Work},
};
use crate::{
    engine::{
        DeployOptions, Engine, EngineError, Operation,
        error::require_version,
        operations::refuse_unused_rules,
        session::{
            facts::{CurrentState, Facts},
            placing::{has_place, require_fleet},
        },
    },
    observe::Observed,
    plan::Plan,
};

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
        let current = CurrentState {
            facts,
            before: &stored,
            observed,
        };
        let task = self.first_task(current, stored.clone(), options).await?;
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
        let given_up = self
            .topology_hosts(&stored.row)
            .await?
            .given_up(&stored.row, options.force)?;
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
            before: &stored,
            observed: observed.clone(),
        };
        let task = self.first_task(current, fresh, options).await?;
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

    /// Plans the deploy of a topology that does not run, with all rules.
    pub(super) async fn first_task(
        &self,
        current: CurrentState<'_>,
        stored: StoredTopology,
        options: &DeployOptions,
    ) -> Result<Task, EngineError> {
        let settings = options.settings.clone().unwrap_or_else(|| stored.row.settings.clone());
        let before = current.before.row.id;
        self.refuse_taken_host(&stored.row, before).await?;
        self.refuse_unfit_host(&stored, before).await?;
        let stored = self.place_with(&current, stored, &settings, options.force).await?;
        let host = self.host_facts(&current, &stored, &settings).await?;
        let target = Target {
            stored: &stored,
            settings: &settings,
            before: None,
            inside: Inside::Unknown,
            rules: RuleSet::deploy(),
            claims: before,
        };
        let observed = if stored.row.id == before {
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
        before: StoredTopology,
        options: &DeployOptions,
    ) -> Result<Work, EngineError> {
        let row = &before.row;
        let settings = options.settings.clone().unwrap_or_else(|| row.settings.clone());
        let (observed, outstanding) =
            try_join!(self.observe(facts, row.id), async { Ok(self.outstanding(row).await?) })?;
        let mut current = CurrentState {
            facts,
            before: &before,
            observed,
        };
        let placed = self
            .place_with(&current, before.clone(), &settings, options.force)
            .await;
        let (stored, misplaced) = match placed {
            Ok(placed) => (placed, None),
            // What runs is healed where it is.
            Err(fault) if !options.force && settings == row.settings && has_place(&before, &fault) => {
                self.mark_lost(row, &mut current.observed).await?;
                (before.clone(), Some(fault.with_causes()))
            }
            Err(error) => return Err(error),
        };
        // A running maze already has its ports; only changed settings may need ports that others use.
        let mut target = Target::live(&stored, &settings);
        let host = if settings == row.settings {
            None
        } else {
            target = target.since(&stored, Inside::Unknown);
            Some(self.host_facts(&current, &stored, &settings).await?)
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
            before: &before,
            observed: self.observe(facts, before.row.id).await?,
        };
        let force = self.outstanding(&before.row).await?.or(Force::by(&new.mutation));
        let settings = &before.row.settings;
        let task = self
            .live_task(current, topology, settings, Inside::Unknown, &force)
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
        valid: ValidTopology,
        settings: &DeploySettings,
        inside: Inside,
        force: &Force,
    ) -> Result<Task, EngineError> {
        let before = current.before;
        let row = TopologyRow {
            settings: settings.clone(),
            ..before.row.clone()
        };
        let stored = StoredTopology {
            row,
            topology: valid.topology().clone(),
        };
        let stored = self.place_with(&current, stored, settings, false).await?;
        let host = self.host_facts_of_change(&current, &stored).await?;
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
        settings: &DeploySettings,
        force: bool,
    ) -> Result<StoredTopology, EngineError> {
        let known = std::mem::replace(&mut stored.row.settings, settings.clone());
        let mut placed = self.placed(current, stored, force).await?;
        placed.row.settings = known;
        Ok(placed)
    }

    async fn plan_teardown(&self, facts: &Facts, row: TopologyRow, force: bool) -> Result<Work, EngineError> {
        let given_up = self.topology_hosts(&row).await?.given_up(&row, force)?;
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
