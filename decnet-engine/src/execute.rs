//! Carries a plan out: bounded, in order of need, undone on failure.

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

/// What to do when a step fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// Begin nothing more, and undo what this run did.
    Undo,
    /// Leave out what needs the step, do the rest, undo nothing.
    SkipDependents,
    /// Do all the rest, even what needs the step.
    GoOn,
}

/// How a plan is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecuteOptions {
    /// What to do when a step fails.
    pub on_failure: OnFailure,
    /// How many steps of the container lane run at a time.
    pub width: usize,
}

impl ExecuteOptions {
    /// Returns options with these values.
    pub fn new(on_failure: OnFailure, width: usize) -> Self {
        Self { on_failure, width }
    }
}

/// A step that failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("could not {step}")]
pub struct StepFailure {
    /// The step in one line.
    pub step: String,
    /// Why.
    pub source: RuntimeError,
}

impl StepFailure {
    /// Returns a stable code for programs: that of its cause.
    pub fn code(&self) -> &'static str {
        self.source.code()
    }
}

/// What came of a plan.
#[derive(Debug, Clone, Default)]
pub struct ExecutionReport {
    /// The steps that changed something.
    pub changed: BTreeSet<StepId>,
    /// How many steps were done, whether they changed something or not.
    pub done: usize,
    /// The steps that failed, in the order in which they did.
    pub failures: Vec<StepFailure>,
    /// The steps that were left out because one that they need failed.
    pub skipped: usize,
    /// Whether it was cancelled before it was through.
    pub cancelled: bool,
    /// The steps that could not be undone. They never take the place of `failures`.
    pub undo_failures: Vec<StepFailure>,
    /// Whether what this run did was undone, or tried to be.
    pub undone: bool,
}

impl ExecutionReport {
    /// Returns whether every step was done.
    pub fn is_complete(&self) -> bool {
        self.failures.is_empty() && !self.cancelled
    }
}

/// Carries out a plan on behalf of a repo.
///
/// A step begins when those that it needs are done, its lane has room, and no other step holds a network that it locks. When
/// `cancel` fires nothing more is begun, what runs is waited for, and under [`OnFailure::Undo`] undone.
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
    if !outcome.is_complete() && options.on_failure == OnFailure::Undo {
        // A step that failed may have done half: its inverse is as idempotent as itself.
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

/// A step that came to an end: which, since when it ran, and what it came to.
type Performed = (StepId, Instant, Result<Effect, RuntimeError>);

/// Performs an action. Getting an image may take minutes and leaves nothing when it is dropped, so it does not outlive a
/// cancellation; everything else is short and runs to its end, so that what it did is known.
async fn perform(
    runtime: &dyn Runtime,
    instance: InstanceId,
    action: &Action,
    cancel: Option<&CancellationToken>,
) -> Result<Effect, RuntimeError> {
    match (action, cancel) {
        (Action::EnsureImage { image }, Some(cancel)) => tokio::select! {
            biased;
            () = cancel.cancelled() => Err(RuntimeError::Cancelled { what: format!("getting image {}", image.reference()) }),
            effect = runtime.perform(instance, action) => effect,
        },
        _ => runtime.perform(instance, action).await,
    }
}

/// One plan on its way.
struct Run<'a> {
    plan: &'a Plan,
    options: ExecuteOptions,
    undo: bool,
    report: &'a (dyn Fn(Progress) + Sync),
    /// How many needs of a step are not met yet.
    waits: Vec<usize>,
    /// The steps that need a step.
    dependents: Vec<Vec<StepId>>,
    ready: BTreeSet<StepId>,
    busy: BTreeMap<Lane, usize>,
    locked: BTreeSet<&'a NetworkName>,
    failed: BTreeSet<StepId>,
    /// The failed steps that may have done something: not those that found their place taken.
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
        let called_off = |failure: &StepFailure| matches!(failure.source, RuntimeError::Cancelled { .. });
        outcome.cancelled =
            outcome.failures.iter().any(called_off) || !through && cancel.is_some_and(CancellationToken::is_cancelled);
        outcome
    }

    /// Nothing more is begun after a failure that is to be undone, or once nobody answers.
    fn is_stopped(&self, outcome: &ExecutionReport) -> bool {
        let unreachable = outcome.failures.iter().any(|failure| failure.source.is_unreachable());
        unreachable || self.options.on_failure == OnFailure::Undo && !outcome.failures.is_empty()
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
        self.say(id, StepState::Started);
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
                self.say(
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
                self.say(
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
                self.say(dependent, StepState::Skipped);
                next.extend(&self.dependents[dependent]);
            }
        }
    }

    fn say(&self, step: StepId, state: StepState) {
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
