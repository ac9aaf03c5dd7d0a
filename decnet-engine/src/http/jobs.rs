//! Long operations: each runs on its own, and its result is kept for a while.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use decnet_topology::{TopologyId, rng};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    auth::scope::{AccessScope, Principal},
    problem::Problem,
};

/// How many finished operations are kept.
const KEPT: usize = 256;

/// How long a finished operation is kept.
const KEPT_FOR: Duration = Duration::from_hours(1);

/// The result of an operation.
pub(super) type JobResult = Result<Value, Problem>;

/// What an operation is, and whose.
#[derive(Debug)]
pub(super) struct JobKind {
    /// Its name.
    pub(super) operation: &'static str,
    /// The topology that it is about.
    pub(super) topology: Option<TopologyId>,
    /// Who started it.
    pub(super) owner: Principal,
    /// The scope of those who may see it.
    pub(super) visible_to: AccessScope,
}

/// A long operation.
#[derive(Debug)]
pub(super) struct Job {
    id: String,
    kind: JobKind,
    begun_at: Timestamp,
    cancel: CancellationToken,
    result: watch::Sender<Option<(Timestamp, JobResult)>>,
}

impl Job {
    /// Returns its id.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Returns whether a principal may see it.
    pub(super) fn is_visible_to(&self, principal: &Principal) -> bool {
        principal.scope >= self.kind.visible_to
    }

    /// Returns the scope that interrupts it: that of the principal who started it.
    pub(super) fn owner_scope(&self) -> AccessScope {
        self.kind.owner.scope
    }

    /// Interrupts it. It then undoes its changes, or finishes what it has started.
    pub(super) fn cancel(&self) {
        self.cancel.cancel();
    }

    /// Returns its result; none if it still runs.
    pub(super) fn result(&self) -> Option<JobResult> {
        self.result.borrow().as_ref().map(|(_, result)| result.clone())
    }

    /// Waits for its result.
    pub(super) async fn finished(&self) -> Option<JobResult> {
        let mut results = self.result.subscribe();
        let result = results.wait_for(Option::is_some).await.ok()?;
        result.as_ref().map(|(_, result)| result.clone())
    }

    fn finished_at(&self) -> Option<Timestamp> {
        self.result.borrow().as_ref().map(|(at, _)| *at)
    }

    /// Returns it as JSON.
    pub(super) fn to_value(&self) -> Value {
        let result = self.result.borrow();
        let mut value = self.without_result(result.as_ref());
        match result.as_ref() {
            None => {}
            Some((_, Ok(result))) => value["result"] = result.clone(),
            Some((_, Err(problem))) => value["problem"] = problem.to_value(),
        }
        value
    }

    /// Returns it as JSON, without its result.
    pub(super) fn summary(&self) -> Value {
        self.without_result(self.result.borrow().as_ref())
    }

    fn without_result(&self, result: Option<&(Timestamp, JobResult)>) -> Value {
        let (finished_at, state) = match result {
            None => (None, "running"),
            Some((at, Ok(_))) => (Some(at), "succeeded"),
            Some((at, Err(_))) => (Some(at), "failed"),
        };
        json!({
            "id": self.id,
            "operation": self.kind.operation,
            "topology": self.kind.topology,
            "actor": self.kind.owner.actor,
            "begun_at": self.begun_at,
            "finished_at": finished_at,
            "state": state,
        })
    }
}

/// The operations that run, and those that ended lately.
#[derive(Debug)]
pub(super) struct Jobs {
    /// By time and id.
    known: Mutex<BTreeMap<(Timestamp, String), Arc<Job>>>,
    stop: CancellationToken,
    max_running: usize,
    tasks: TaskTracker,
}

impl Jobs {
    /// Creates an empty list. The token interrupts all operations.
    pub(super) fn new(stop: CancellationToken, max_running: usize) -> Self {
        Self {
            known: Mutex::default(),
            stop,
            max_running,
            tasks: TaskTracker::new(),
        }
    }

    /// Starts an operation, which does not end with the request.
    pub(super) fn start<F: Future<Output = JobResult> + Send + 'static>(
        &self,
        kind: JobKind,
        work: impl FnOnce(CancellationToken) -> F,
    ) -> Result<Arc<Job>, Problem> {
        if self.stop.is_cancelled() {
            return Err(Problem::stopping());
        }
        let now = Timestamp::now();
        let mut jobs = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        forget_old(&mut jobs, now);
        let running = jobs.values().filter(|job| job.finished_at().is_none()).count();
        if running >= self.max_running {
            return Err(Problem::new(
                "too_many_operations",
                format!("{running} operations are running"),
            ));
        }
        let job = Arc::new(Job {
            id: format!("{:016x}", rng::os_seed()),
            kind,
            begun_at: now,
            cancel: self.stop.child_token(),
            result: watch::Sender::new(None),
        });
        jobs.insert((now, job.id.clone()), Arc::clone(&job));
        drop(jobs);
        let (work, running) = (work(job.cancel.clone()), Arc::clone(&job));
        self.tasks.spawn(async move {
            // A panic ends only the inner task, and the operation then has failed.
            let result = tokio::spawn(work).await;
            let result = result.unwrap_or_else(|_| Err(Problem::new("internal", "the operation failed unexpectedly")));
            running.result.send_replace(Some((Timestamp::now(), result)));
        });
        Ok(job)
    }

    /// Returns an operation.
    pub(super) fn get(&self, id: &str) -> Option<Arc<Job>> {
        self.list().into_iter().find(|job| job.id == id)
    }

    /// Returns all operations, oldest first.
    pub(super) fn list(&self) -> Vec<Arc<Job>> {
        let mut jobs = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        forget_old(&mut jobs, Timestamp::now());
        jobs.values().cloned().collect()
    }

    /// Waits until no operation runs.
    pub(super) async fn finished(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Removes finished operations that are old or too many.
fn forget_old(jobs: &mut BTreeMap<(Timestamp, String), Arc<Job>>, now: Timestamp) {
    jobs.retain(|_, job| {
        job.finished_at()
            .is_none_or(|at| now.duration_since(at).unsigned_abs() < KEPT_FOR)
    });
    let finished: Vec<_> = jobs
        .iter()
        .filter(|(_, job)| job.finished_at().is_some())
        .map(|(key, _)| key.clone())
        .collect();
    for key in finished.iter().take(finished.len().saturating_sub(KEPT)) {
        jobs.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind() -> JobKind {
        JobKind {
            operation: "test",
            topology: None,
            owner: Principal::new("me", AccessScope::Write),
            visible_to: AccessScope::Read,
        }
    }

    #[tokio::test]
    async fn finished_operations_are_kept_up_to_a_number_and_running_ones_are_bounded() {
        let jobs = Jobs::new(CancellationToken::new(), 2);
        for number in 0..KEPT + 5 {
            let job = jobs
                .start(kind(), |_| async move { Ok(json!(number)) })
                .expect("started");
            assert_eq!(job.finished().await.expect("a result").expect("done"), json!(number));
        }
        let list = jobs.list();
        assert_eq!(list.len(), KEPT);
        assert_eq!(
            list[KEPT - 1].result().expect("a result").expect("done"),
            json!(KEPT + 4)
        );
        let wait = |cancel: CancellationToken| async move {
            cancel.cancelled().await;
            Err(Problem::new("interrupted", "stopped"))
        };
        let first = jobs.start(kind(), wait).expect("started");
        jobs.start(kind(), wait).expect("started");
        let refused = jobs.start(kind(), wait).expect_err("two are running");
        assert_eq!(refused.code, "too_many_operations");
        first.cancel();
        let ended = first.finished().await.expect("a result").expect_err("it was stopped");
        assert_eq!(ended.code, "interrupted");
        jobs.stop.cancel();
        jobs.finished().await;
        assert_eq!(jobs.start(kind(), wait).expect_err("stopped").code, "stopping");
    }

    #[tokio::test]
    async fn an_operation_that_panics_has_failed() {
        let jobs = Jobs::new(CancellationToken::new(), 2);
        let job = jobs.start(kind(), |_| async { panic!("oh") }).expect("started");
        assert_eq!(
            job.finished().await.expect("a result").expect_err("failed").code,
            "internal"
        );
        assert_eq!(job.to_value()["state"], "failed");
    }
}
