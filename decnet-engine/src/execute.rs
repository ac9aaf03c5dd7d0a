//! Executes a plan: with bounded concurrency, in order of dependencies, undone on failure.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use decnet_topology::InstanceId;
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio_util::sync::CancellationToken;

use crate::{
    event::{Progress, StepState},
    naming::NetworkName,
    plan::{Action, Lane, Plan, StepId},
    runtime::{Effect, Runtime, RuntimeError},
};

/// The behaviour when a step fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// Start no more steps, and undo those of this run.
    Undo,
    /// Skip the steps that depend on it, do the rest, undo nothing.
    SkipDependents,
    /// Do all other steps, even those that depend on it.
    GoOn,
}

/// The options of executing a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecuteOptions {
    /// The behaviour when a step fails.
    pub on_failure: OnFailure,
    /// The number of parallel steps in the container lane.
    pub width: usize,
}

impl ExecuteOptions {
    /// Creates options with these values.
    pub fn new(on_failure: OnFailure, width: usize) -> Self {
        Self { on_failure, width }
    }
}

/// A failed step.
#[derive(Debug, Clone, thiserror::Error)]
#[error("could not {step}")]
pub struct StepFailure {
    /// A description of the step in one line.
    pub step: String,
    /// The reason.
    pub source: RuntimeError,
}

impl StepFailure {
    /// Returns a stable code for programs: that of its cause.
    pub fn code(&self) -> &'static str {
        self.source.code()
    }
}

/// The result of executing a plan.
#[derive(Debug, Clone, Default)]
pub struct ExecutionReport {
    /// The steps that made a change.
    pub changed: BTreeSet<StepId>,
    /// How many steps were done, with or without a change.
    pub done: usize,
    /// The failed steps, in the order of their failures.
    pub failures: Vec<StepFailure>,
    /// The steps that were skipped because a step that they depend on failed.
    pub skipped: usize,
    /// Whether it was cancelled early.
    pub cancelled: bool,
    /// The steps that could not be undone. They are never part of `failures`.
    pub undo_failures: Vec<StepFailure>,
    /// Whether an undo of this run was done or attempted.
    pub undone: bool,
}

impl ExecutionReport {
    /// Returns whether every step was done.
    pub fn is_complete(&self) -> bool {
        self.failures.is_empty() && !self.cancelled
    }

    /// Returns the highest generation that agents have seen, if one refused a step because this master's lease is not the newest.
    pub fn superseded(&self) -> Option<u64> {
        let failures = self.failures.iter().chain(&self.undo_failures);
        failures.filter_map(|failure| failure.source.superseded()).max()
    }
}

/// Executes a plan for a repo.
///
/// A step starts when its dependencies are done, its lane has a free slot, and no other step holds a network that it locks. When
/// `cancel` fires, no more steps start, and running ones are waited for; with [`OnFailure::Undo`] they are undone. If an agent has seen
/// a newer lease, no more steps start and none is undone: the resources belong to the newer holder.
pub async fn execute(
    runtime: &dyn Runtime,
    instance: InstanceId,
    plan: &Plan,
    options: ExecuteOptions,
    cancel: &CancellationToken,
    report: &(dyn Fn(Progress) + Sync),
) -> ExecutionReport {
    let mut run = Run::new(plan, options, false, report);
    let mut outcome = run.through(runtime, instance, Some(cancel)).await;
    if !outcome.is_complete() && options.on_failure == OnFailure::Undo && outcome.superseded().is_none() {
        // A failed step may be half done: its inverse is idempotent too.
        let mut touched = outcome.changed.clone();
        touched.extend(run.half_done.iter().copied());
        let undo = plan.undo(&touched);
        let options = ExecuteOptions {
            on_failure: OnFailure::GoOn,
            ..options
        };
        let undoing = Run::new(&undo, options, true, report)
            .through(runtime, instance, None)
            .await;
        outcome.undo_failures = undoing.failures;
        outcome.undone = true;
    }
    outcome
}

/// A finished step: which one, its start time, and its result.
type Performed = (StepId, Instant, Result<Effect, RuntimeError>);

/// Performs an action. Getting an image may take minutes and leaves nothing if it is dropped, so a cancellation stops it; every
/// other action is short and runs to its end, so that its effect is known.
async fn perform(
    runtime: &dyn Runtime,
    instance: InstanceId,
    action: &Action,
    cancel: Option<&CancellationToken>,
) -> Result<Effect, RuntimeError> {
    match (action, cancel) {
        (Action::EnsureImage { image, .. }, Some(cancel)) => tokio::select! {
            biased;
            () = cancel.cancelled() => Err(RuntimeError::Cancelled { what: format!("getting image {}", image.reference()) }),
            effect = runtime.perform(instance, action) => effect,
        },
        _ => runtime.perform(instance, action).await,
    }
}

/// One plan in execution.
struct Run<'a> {
    plan: &'a Plan,
    options: ExecuteOptions,
    undo: bool,
    report: &'a (dyn Fn(Progress) + Sync),
    /// The number of unfinished dependencies of each step.
    waits: Vec<usize>,
    /// The steps that depend on a step.
    dependents: Vec<Vec<StepId>>,
    ready: BTreeSet<StepId>,
    busy: BTreeMap<Lane, usize>,
    locked: BTreeSet<&'a NetworkName>,
    failed: BTreeSet<StepId>,
    /// The failed steps that may have changed something: not those that found their name taken.
    half_done: BTreeSet<StepId>,
    skipped: BTreeSet<StepId>,
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan, options: ExecuteOptions, undo: bool, report: &'a (dyn Fn(Progress) + Sync)) -> Self {
        let steps = plan.steps();
        let mut dependents = vec![Vec::new(); steps.len()];
        for (id, step) in steps.iter().enumerate() {
            for need in &step.needs {
                dependents[*need].push(id);
            }
        }
        let waits: Vec<_> = steps.iter().map(|step| step.needs.len()).collect();
        let ready = waits
            .iter()
            .enumerate()
            .filter(|(_, waits)| **waits == 0)
            .map(|(id, _)| id)
            .collect();
        Self {
            plan,
            options,
            undo,
            report,
            waits,
            dependents,
            ready,
            busy: BTreeMap::new(),
            locked: BTreeSet::new(),
            failed: BTreeSet::new(),
            half_done: BTreeSet::new(),
            skipped: BTreeSet::new(),
        }
    }

    async fn through(
        &mut self,
        runtime: &dyn Runtime,
        instance: InstanceId,
        cancel: Option<&CancellationToken>,
    ) -> ExecutionReport {
        let mut outcome = ExecutionReport::default();
        let mut running: FuturesUnordered<BoxFuture<'_, Performed>> = FuturesUnordered::new();
        loop {
            let stopped = self.is_stopped(&outcome) || cancel.is_some_and(CancellationToken::is_cancelled);
            while let Some(id) = self.next().filter(|_| !stopped) {
                self.begin(id);
                let action = &self.plan.steps()[id].action;
                running.push(Box::pin(async move {
                    let since = Instant::now();
                    (id, since, perform(runtime, instance, action, cancel).await)
                }));
            }
            let Some((id, since, result)) = running.next().await else {
                break;
            };
            self.settle(id, since, result, &mut outcome);
        }
        outcome.skipped = self.skipped.len();
        let through = outcome.done + self.failed.len() + self.skipped.len() == self.plan.steps().len();
        let is_cancelled = |failure: &StepFailure| matches!(failure.source, RuntimeError::Cancelled { .. });
        outcome.cancelled = outcome.failures.iter().any(is_cancelled)
            || !through && cancel.is_some_and(CancellationToken::is_cancelled);
        outcome
    }

    /// No step starts after a failure with undo, once the runtime does not answer, or once another master has taken over.
    fn is_stopped(&self, outcome: &ExecutionReport) -> bool {
        let unreachable = outcome.failures.iter().any(|failure| failure.source.is_unreachable());
        unreachable
            || outcome.superseded().is_some()
            || self.options.on_failure == OnFailure::Undo && !outcome.failures.is_empty()
    }

    fn next(&self) -> Option<StepId> {
        self.ready.iter().copied().find(|id| {
            let action = &self.plan.steps()[*id].action;
            let width = if action.lane() == Lane::Container {
                self.options.width.max(1)
            } else {
                1
            };
            let free = self.busy.get(&action.lane()).is_none_or(|busy| *busy < width);
            free && action.locks().is_disjoint(&self.locked)
        })
    }

    fn begin(&mut self, id: StepId) {
        let action = &self.plan.steps()[id].action;
        self.ready.remove(&id);
        *self.busy.entry(action.lane()).or_default() += 1;
        self.locked.extend(action.locks());
        self.report_progress(id, StepState::Started);
    }

    fn settle(
        &mut self,
        id: StepId,
        since: Instant,
        result: Result<Effect, RuntimeError>,
        outcome: &mut ExecutionReport,
    ) {
        let action = &self.plan.steps()[id].action;
        if let Some(busy) = self.busy.get_mut(&action.lane()) {
            *busy -= 1;
        }
        for lock in action.locks() {
            self.locked.remove(lock);
        }
        match result {
            Ok(effect) => {
                outcome.done += 1;
                if effect == Effect::Changed {
                    outcome.changed.insert(id);
                }
                self.report_progress(
                    id,
                    StepState::Done {
                        changed: effect == Effect::Changed,
                        took: since.elapsed(),
                    },
                );
                self.release(id);
            }
            Err(source) => {
                self.failed.insert(id);
                if source.may_be_half_done() {
                    self.half_done.insert(id);
                }
                self.report_progress(
                    id,
                    StepState::Failed {
                        error: source.to_string(),
                    },
                );
                outcome.failures.push(StepFailure {
                    step: action.to_string(),
                    source,
                });
                match self.options.on_failure {
                    OnFailure::GoOn => self.release(id),
                    OnFailure::SkipDependents => self.skip_dependents(id),
                    OnFailure::Undo => {}
                }
            }
        }
    }

    fn release(&mut self, id: StepId) {
        for dependent in &self.dependents[id] {
            self.waits[*dependent] -= 1;
            if self.waits[*dependent] == 0 && !self.skipped.contains(dependent) {
                self.ready.insert(*dependent);
            }
        }
    }

    fn skip_dependents(&mut self, id: StepId) {
        let mut next = self.dependents[id].clone();
        while let Some(dependent) = next.pop() {
            if self.skipped.insert(dependent) {
                self.ready.remove(&dependent);
                self.report_progress(dependent, StepState::Skipped);
                next.extend(&self.dependents[dependent]);
            }
        }
    }

    fn report_progress(&self, step: StepId, state: StepState) {
        let action = &self.plan.steps()[step].action;
        (self.report)(Progress {
            step,
            text: action.to_string(),
            lane: action.lane(),
            undo: self.undo,
            state,
        });
    }
}
