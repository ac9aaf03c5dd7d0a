//! Changes by other processes between two store calls of an operation.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use decnet_engine::{DecoyImage, DeployOptions, Engine, EngineError, EngineOptions, Operation, simulated::Moment};
use decnet_topology::{
    DeploySettings, Edit, LogSettings, MemoryRepo, Mutation, MutationFilter, MutationQueue, MutationState, NewMutation,
    RepoError, Status, StatusChange, Topology, TopologyId, TopologyStore,
};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{CATALOG, Lab, lifecycle::refused, small};

/// The event just before a call.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// Somebody edits the maze.
    Edit,
    /// Somebody queues a mutation.
    Enqueue,
    /// Somebody begins to deploy the maze.
    Deploy,
    /// The store is full at this call.
    Full,
}

/// A store where an event happens just before the first call with a name.
#[derive(Debug)]
struct Crossed {
    inner: Arc<MemoryRepo>,
    id: TopologyId,
    call: &'static str,
    event: Event,
    happened: AtomicBool,
}

impl Crossed {
    async fn guard<T>(&self, name: &str, call: impl Future<Output = Result<T, RepoError>>) -> Result<T, RepoError> {
        if name == self.call && !self.happened.swap(true, Ordering::Relaxed) {
            match self.event {
                Event::Edit => {
                    let edit = Edit::new(smaller());
                    self.inner.edit(self.id, edit, Timestamp::now()).await?;
                }
                Event::Enqueue => {
                    let new = adding("attic", 9);
                    self.inner.enqueue(self.id, new, None, Timestamp::now()).await?;
                }
                Event::Deploy => {
                    let change = StatusChange::new(Status::Pending, Status::Deploying);
                    self.inner.set_status(self.id, change, Timestamp::now()).await?;
                }
                Event::Full => return Err(RepoError::Full),
            }
        }
        call.await
    }
}

guarded!(Crossed);

fn adding(lan: &str, octet: u8) -> NewMutation {
    let json = format!(r#"{{"op": "add_lan", "payload": {{"name": "{lan}", "subnet": "10.90.{octet}.0/24"}}}}"#);
    NewMutation::new(Mutation::from_json(&json).expect("a mutation"))
}

/// Returns an engine on the store and the daemon of a lab.
fn crossing(lab: &Lab, id: TopologyId, call: &'static str, event: Event) -> Engine {
    let repo = Crossed {
        inner: lab.repo.clone(),
        id,
        call,
        event,
        happened: AtomicBool::new(false),
    };
    let options = EngineOptions::new(CATALOG.clone()).image(Arc::new(DecoyImage::pack(b"a program")));
    Engine::new(Arc::new(repo), Arc::new(lab.docker.clone()), options)
}

async fn states(lab: &Lab, id: TopologyId) -> Vec<(MutationState, Option<String>)> {
    let filter = MutationFilter::default().topology(id);
    let rows = lab.repo.mutations(&filter).await.expect("the mutations").rows;
    rows.into_iter().map(|row| (row.state, row.reason)).collect()
}

fn smaller() -> Topology {
    let (lans, mut deckies) = small().into_parts();
    deckies.retain(|decky| decky.name().as_str() != "files");
    Topology::new(lans, deckies).expect("a topology")
}

async fn edited_before_deploy() -> (Lab, TopologyId, Engine) {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    let engine = crossing(&lab, id, "set_status", Event::Edit);
    (lab, id, engine)
}

#[tokio::test]
async fn a_deploy_is_planned_again_if_the_maze_is_edited_meanwhile() {
    let (lab, id, engine) = edited_before_deploy().await;
    let cancel = CancellationToken::new();
    let deployed = engine.deploy(id, DeployOptions::default(), &cancel).await;
    assert_eq!(deployed.expect("deployed").row.status, Status::Active);
    assert_eq!(lab.repo.load(id).await.expect("stored").topology, smaller());
    lab.assert_matches(id, "the edited maze").await;
}

#[tokio::test]
async fn a_shown_plan_is_refused_if_the_maze_is_edited_meanwhile() {
    let (lab, id, engine) = edited_before_deploy().await;
    let prepared = engine.prepare(id, Operation::Deploy(DeployOptions::default())).await;
    let refused = prepared.expect("prepared").execute(&CancellationToken::new()).await;
    assert!(matches!(refused, Err(EngineError::PlanChanged { .. })), "{refused:?}");
    assert_eq!(lab.status(id).await, Status::Pending);
    assert!(lab.docker.log().is_empty());
}

fn with_log() -> DeployOptions {
    let journald = "journald".parse().expect("a log driver");
    let log = LogSettings::default().with(Some(journald), []);
    DeployOptions::default().settings(DeploySettings::default().log(log))
}

#[tokio::test]
async fn a_deploy_with_settings_plans_again_when_the_maze_is_edited_meanwhile() {
    let (lab, id, engine) = edited_before_deploy().await;
    let deployed = engine.deploy(id, with_log(), &CancellationToken::new()).await;
    let row = deployed.expect("deployed").row;
    assert_eq!((row.status, Some(row.settings)), (Status::Active, with_log().settings));
    assert_eq!(lab.repo.load(id).await.expect("stored").topology, smaller());
    lab.assert_matches(id, "the edited maze").await;
}

#[tokio::test]
async fn a_refused_deploy_does_not_store_its_settings() {
    let (lab, id, engine) = edited_before_deploy().await;
    let prepared = engine.prepare(id, Operation::Deploy(with_log())).await;
    let refused = prepared.expect("prepared").execute(&CancellationToken::new()).await;
    assert!(matches!(refused, Err(EngineError::PlanChanged { .. })), "{refused:?}");
    let row = lab.repo.get(id).await.expect("stored");
    assert_eq!((row.status, row.settings), (Status::Pending, DeploySettings::default()));
}

async fn deployed() -> (Lab, TopologyId) {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.deploy(id).await.expect("deployed");
    (lab, id)
}

/// Prepares and executes a mutation that adds a LAN, with an event in between.
async fn add_vault(
    lab: &Lab,
    id: TopologyId,
    call: &'static str,
    event: Event,
) -> Result<decnet_engine::Outcome, EngineError> {
    let engine = crossing(lab, id, call, event);
    let prepared = engine.prepare(id, Operation::Mutate(adding("vault", 8))).await;
    prepared.expect("prepared").execute(&CancellationToken::new()).await
}

#[tokio::test]
async fn executing_a_mutation_leaves_later_mutations_in_the_queue() {
    let (lab, id) = deployed().await;
    let outcome = add_vault(&lab, id, "claim_mutation", Event::Enqueue)
        .await
        .expect("executed");
    assert_eq!((outcome.row.status, outcome.reason), (Status::Active, None));
    assert_eq!(
        states(&lab, id).await,
        [(MutationState::Applied, None), (MutationState::Pending, None)]
    );
}

#[tokio::test]
async fn a_mutation_is_not_queued_if_another_one_is_queued_first() {
    let (lab, id) = deployed().await;
    let world = lab.docker.world();
    let error = add_vault(&lab, id, "enqueue", Event::Enqueue)
        .await
        .expect_err("not alone");
    assert!(
        matches!(error, EngineError::Repo(RepoError::VersionConflict { .. })),
        "{error:?}"
    );
    assert_eq!(states(&lab, id).await, [(MutationState::Pending, None)]);
    assert_eq!(lab.docker.world(), world);
}

#[tokio::test]
async fn a_queued_unfinished_mutation_is_reported() {
    let (lab, id) = deployed().await;
    lab.docker.cut_off(1, Moment::Before);
    let prepared = lab.engine.prepare(id, Operation::Mutate(adding("vault", 8))).await;
    let error = prepared.expect("prepared").execute(&CancellationToken::new()).await;
    let error = error.expect_err("nobody answers");
    assert!(
        matches!(&error, EngineError::MutationQueued { state: MutationState::Pending, source, .. } if matches!(**source, EngineError::Runtime(_))),
        "{error:?}"
    );
    assert_eq!(states(&lab, id).await, [(MutationState::Pending, None)]);
    lab.docker.reconnect();
    lab.engine.drain(id, &CancellationToken::new()).await.expect("drained");
    assert_eq!(states(&lab, id).await, [(MutationState::Applied, None)]);
}

#[tokio::test]
async fn a_mutation_of_a_pending_maze_needs_no_runtime() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.docker.go_away();
    let prepared = lab.engine.prepare(id, Operation::Mutate(adding("vault", 8))).await;
    let prepared = prepared.expect("prepared");
    assert!(prepared.plan().is_empty());
    let outcome = prepared.execute(&CancellationToken::new()).await.expect("edited");
    assert_eq!(outcome.row.status, Status::Pending);
    assert_eq!(lab.repo.load(id).await.expect("stored").topology.lans().len(), 3);

    let again = prepared.execute(&CancellationToken::new()).await;
    assert!(matches!(again, Err(EngineError::PlanChanged { .. })), "{again:?}");
}

#[tokio::test]
async fn a_shown_edit_of_a_pending_maze_is_not_queued_if_the_maze_is_deployed_meanwhile() {
    // The second mutation needs no step on Docker.
    let moving = r#"{"op": "update_lan", "payload": {"name": "office", "x": 3, "y": 4}}"#;
    let moving = NewMutation::new(Mutation::from_json(moving).expect("a mutation"));
    for mutation in [adding("vault", 8), moving] {
        let lab = Lab::new();
        let id = lab.store("maze", small()).await;
        let prepared = lab.engine.prepare(id, Operation::Mutate(mutation)).await;
        lab.deploy(id).await.expect("deployed");
        let refused = prepared.expect("prepared").execute(&CancellationToken::new()).await;
        assert!(matches!(refused, Err(EngineError::PlanChanged { .. })), "{refused:?}");
        assert_eq!(states(&lab, id).await, []);
        assert_eq!(lab.repo.load(id).await.expect("stored").topology, small());
    }
}

#[tokio::test]
async fn a_shown_edit_does_not_take_another_subnet_than_the_shown_one() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    let adding = Mutation::from_json(r#"{"op": "add_lan", "payload": {"name": "attic"}}"#).expect("a mutation");
    let prepared = lab
        .engine
        .prepare(id, Operation::Mutate(NewMutation::new(adding)))
        .await;
    let prepared = prepared.expect("prepared");
    let attic = prepared.topology().expect("the result").lans()[2].subnet();
    let other = Topology::builder().dmz("dmz", &attic.to_string()).build();
    lab.store("other", other.expect("a maze")).await;
    let refused = prepared.execute(&CancellationToken::new()).await;
    assert!(
        matches!(refused, Err(EngineError::Repo(RepoError::SubnetClaimed { .. }))),
        "{refused:?}"
    );
    assert_eq!(lab.repo.load(id).await.expect("stored").topology, small());
}

#[tokio::test]
async fn a_shown_edit_is_refused_if_the_maze_is_changed_just_before_it() {
    for event in [Event::Edit, Event::Deploy] {
        let lab = Lab::new();
        let id = lab.store("maze", small()).await;
        let engine = crossing(&lab, id, "edit", event);
        let prepared = engine.prepare(id, Operation::Mutate(adding("vault", 8))).await;
        let refused = prepared.expect("prepared").execute(&CancellationToken::new()).await;
        let Err(error @ EngineError::PlanChanged { .. }) = refused else {
            panic!("{event:?}: {refused:?}");
        };
        assert!(
            error
                .to_string()
                .contains("instead of `change version 1 of the pending maze`"),
            "{error}"
        );
        assert_eq!(lab.repo.load(id).await.expect("stored").topology.lans().len(), 2);
        assert_eq!(states(&lab, id).await, []);
    }
}

#[tokio::test]
async fn a_store_failure_while_recording_a_failed_mutation_does_not_replace_the_reason() {
    let (lab, id) = deployed().await;
    lab.docker.fail(1, Moment::Before, refused());
    let outcome = add_vault(&lab, id, "set_status", Event::Full).await.expect("stored");
    let reason = outcome.reason.expect("it failed");
    assert!(reason.contains("create network"), "{reason}");
    assert_eq!(states(&lab, id).await, [(MutationState::Failed, Some(reason))]);
    assert_eq!(lab.status(id).await, Status::Degraded);
}

#[tokio::test]
async fn a_store_failure_after_the_status_is_stored_does_not_fail_the_teardown() {
    let (lab, id) = deployed().await;
    let queued = lab.repo.enqueue(id, adding("vault", 8), None, Timestamp::now()).await;
    queued.expect("enqueued");
    let engine = crossing(&lab, id, "mutation", Event::Full);
    let outcome = engine.teardown(id, &CancellationToken::new()).await.expect("torn down");
    assert_eq!(outcome.row.status, Status::TornDown);
}
