//! The plan that is shown is the plan that runs.

use std::collections::BTreeSet;

use decnet_engine::{DeployOptions, EngineError, Operation, Plan};
use decnet_topology::{
    Catalog, Code, Mutation, NewMutation, ServiceName, Status, Topology, TopologyStore, UpdateDecky,
};
use tokio_util::sync::CancellationToken;

use super::{
    Lab,
    failing_store::{FailingStore, Strike},
    small,
};

fn deploy() -> Operation {
    Operation::Deploy(DeployOptions::default())
}

fn texts<S: ToString>(steps: impl IntoIterator<Item = S>) -> Vec<String> {
    let mut texts: Vec<_> = steps.into_iter().map(|step| step.to_string()).collect();
    texts.sort();
    texts
}

fn actions(plan: &Plan) -> Vec<String> {
    texts(plan.steps().iter().map(|step| &step.action))
}

/// Deploys a maze with one failing action while no resource can be removed.
async fn failed(lab: &Lab) -> decnet_topology::TopologyId {
    use decnet_engine::simulated::Moment;
    let id = lab.store("maze", small()).await;
    lab.docker.fail(6, Moment::After, super::lifecycle::refused());
    lab.docker.fail_where(
        |action| action.to_string().starts_with("remove"),
        Moment::Before,
        super::lifecycle::refused(),
    );
    lab.deploy(id).await.expect_err("it fails");
    lab.docker.reconnect();
    assert_eq!(lab.status(id).await, Status::Failed);
    id
}

#[tokio::test]
async fn the_plan_of_a_failed_or_torn_down_maze_equals_its_deploy() {
    for torn_down in [false, true] {
        let lab = Lab::new();
        let id = failed(&lab).await;
        if torn_down {
            lab.teardown(id).await.expect("torn down");
        }
        let (row, world, done) = (
            lab.repo.get(id).await.expect("a row"),
            lab.docker.world(),
            lab.docker.log().len(),
        );
        let prepared = lab.engine.prepare(id, deploy()).await.expect("prepared");
        assert_eq!(lab.repo.get(id).await.expect("a row"), row, "nothing is written");
        assert_eq!(lab.docker.world(), world, "nothing is changed");
        let copy = prepared.id();
        assert_ne!(copy, id);
        assert_eq!(
            prepared.restarts(),
            BTreeSet::new(),
            "the containers of the copy are new"
        );

        let outcome = prepared.execute(&CancellationToken::new()).await.expect("executed");
        assert_eq!((outcome.row.id, outcome.row.status), (copy, Status::Active));
        let log = lab.docker.log();
        let performed = texts(log[done..].iter().map(|performed| &performed.action));
        assert_eq!(actions(prepared.plan()), performed, "torn down: {torn_down}");
        let prefix = decnet_topology::short_id(copy);
        assert!(
            performed
                .iter()
                .any(|step| step.contains(&format!("create base decnet_t_{prefix}")))
        );
    }
}

#[tokio::test]
async fn an_outdated_plan_is_refused() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    let prepared = lab.engine.prepare(id, deploy()).await.expect("prepared");
    lab.deploy(id).await.expect("deployed");
    let before = lab.docker.world();
    let refused = prepared.execute(&CancellationToken::new()).await;
    assert!(
        matches!(
            &refused,
            Err(EngineError::PlanChanged {
                shown: Some(_),
                now: None
            })
        ),
        "{refused:?}"
    );
    assert_eq!(lab.docker.world(), before);
}

#[tokio::test]
async fn a_mutation_is_executed_as_shown() {
    let lab = Lab::new();
    let id = lab.store("maze", small()).await;
    lab.deploy(id).await.expect("deployed");
    let json = r#"{"op": "update_decky", "payload": {"decky": "files", "services": ["smb", "ssh"]}}"#;
    let new = NewMutation::new(decnet_topology::Mutation::from_json(json).expect("a mutation"));
    let prepared = lab.engine.prepare(id, Operation::Mutate(new)).await.expect("prepared");
    let done = lab.docker.log().len();
    let outcome = prepared.execute(&CancellationToken::new()).await.expect("executed");
    assert_eq!((outcome.row.status, outcome.reason), (Status::Active, None));
    let log = lab.docker.log();
    assert_eq!(
        actions(prepared.plan()),
        texts(log[done..].iter().map(|performed| &performed.action))
    );
    let again = lab.engine.prepare(id, Operation::Reconcile { force: false }).await;
    assert!(again.expect("prepared").plan().is_empty());
}

#[tokio::test]
async fn the_dry_run_of_a_reconcile_behaves_like_the_reconcile() {
    let lab = Lab::new();
    let reconcile = || Operation::Reconcile { force: false };
    let id = lab.store("maze", small()).await;
    let pending = lab.engine.prepare(id, reconcile()).await;
    assert!(matches!(pending, Err(EngineError::WrongStatus { .. })), "{pending:?}");

    lab.deploy(id).await.expect("deployed");
    lab.docker.fail_where(
        |action| action.to_string().starts_with("remove network"),
        decnet_engine::simulated::Moment::Before,
        super::lifecycle::refused(),
    );
    lab.teardown(id).await.expect_err("a network cannot be removed");
    lab.docker.reconnect();
    assert_eq!(lab.status(id).await, Status::Degraded);
    let prepared = lab.engine.prepare(id, reconcile()).await.expect("prepared");
    let steps = texts(prepared.plan().steps());
    assert!(steps.iter().all(|step| step.starts_with("remove ")), "{steps:?}");
    let outcome = prepared.execute(&CancellationToken::new()).await.expect("executed");
    assert_eq!(outcome.row.status, Status::TornDown);
}

#[tokio::test]
async fn a_store_failure_while_recording_a_failed_deploy_does_not_replace_the_first_error() {
    let mut reached = false;
    for nth in 1.. {
        let lab = Lab::new();
        let id = lab.store("maze", small()).await;
        let moment = decnet_engine::simulated::Moment::Before;
        lab.docker.fail(6, moment, super::lifecycle::refused());
        let (failing_store, engine) = FailingStore::in_place_of(&lab);
        failing_store.strike(nth, Strike::Before);
        let deployed = engine
            .deploy(id, DeployOptions::default(), &CancellationToken::new())
            .await;
        if !failing_store.has_struck() {
            break;
        }
        let error = deployed.expect_err("a step or the store fails");
        if lab.docker.log().is_empty() {
            continue;
        }
        reached = true;
        assert!(
            matches!(error, EngineError::DeployFailed { .. }),
            "call {nth}: {error:?}"
        );
    }
    assert!(reached);
}

fn with_pot() -> (Lab, Topology, Topology) {
    let text = "[services.pot]\nports = [\"9000/tcp\"]\nimage = \"example.org/pot:1\"";
    let catalog = Catalog::builtin().extend_from_toml(text).expect("a catalogue");
    let maze = |services: &[&str]| {
        let maze = Topology::builder().dmz("dmz", "10.90.0.0/24");
        let maze = maze.decky("web", |decky| {
            decky.on("dmz", "10.90.0.10").services(services.iter().copied())
        });
        maze.build().expect("a topology")
    };
    (Lab::with_catalog(catalog), maze(&["http"]), maze(&["http", "pot"]))
}

fn update(services: &[&str]) -> Mutation {
    let services = services.iter().map(|name| ServiceName::new(name));
    UpdateDecky::new("web".parse().expect("a name"))
        .services(services)
        .into()
}

/// The finding about an image that was refused.
fn unavailable<T: std::fmt::Debug>(refused: Result<T, EngineError>) -> String {
    let Err(EngineError::Invalid(invalid)) = refused else {
        panic!("{refused:?}")
    };
    let findings: Vec<_> = invalid.report.errors().collect();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].code, Code::ImageUnavailable);
    findings[0].message.clone()
}

#[tokio::test]
async fn a_deploy_with_an_image_that_no_registry_has_changes_nothing() {
    let (lab, _, maze) = with_pot();
    lab.docker.withhold_image("example.org/pot:1");
    let id = lab.store("corp", maze).await;
    let before = lab.docker.world();
    let message = unavailable(lab.deploy(id).await);
    assert!(
        message.contains("`example.org/pot:1` of `pot` (first on decky `web`)"),
        "{message}"
    );
    assert_eq!((lab.status(id).await, lab.docker.world()), (Status::Pending, before));
    assert_eq!(unavailable(lab.engine.prepare(id, deploy()).await.map(|_| ())), message);
}

#[tokio::test]
async fn a_running_maze_keeps_an_image_that_its_registry_lost() {
    let (lab, _, maze) = with_pot();
    let id = lab.store("corp", maze).await;
    lab.deploy(id).await.expect("deployed");
    lab.docker.withhold_image("example.org/pot:1");
    lab.reconcile(id).await.expect("the image is here");
    let mutation = update(&["http", "pot", "ssh"]);
    let changed = Operation::Mutate(NewMutation::new(mutation));
    let prepared = lab.engine.prepare(id, changed).await.expect("the image is here");
    assert!(!prepared.plan().is_empty());
}

#[tokio::test]
async fn a_mutation_that_needs_a_missing_image_is_refused() {
    let (lab, maze, _) = with_pot();
    let id = lab.store("corp", maze).await;
    lab.deploy(id).await.expect("deployed");
    lab.docker.withhold_image("example.org/pot:1");
    let mutation = update(&["http", "pot"]);
    let refused = lab
        .engine
        .prepare(id, Operation::Mutate(NewMutation::new(mutation)))
        .await;
    assert!(unavailable(refused.map(|_| ())).contains("example.org/pot:1"));
}
