//! Create, generate, apply, delete, submit and wait.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use decnet_engine::{
    ApplyOptions, CreateOptions, DeployOptions, Engine, EngineError, EngineOptions, Event, NetworkName, Received,
    SettingsChange, StoreResult, Submitted,
    simulated::{Moment, Simulated},
};
use decnet_topology::{
    Draft, Header, MemoryRepo, Mutation, MutationState, NewMutation, NewTopology, RepoError, Status, Syntax, Topology,
    TopologyConfig, TopologyFilter, TopologyStore, document,
};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{CATALOG, Lab, lifecycle::refused, small};

fn name(text: &str) -> decnet_topology::TopologyName {
    text.parse().expect("a name")
}

fn dmz(topology: &Topology) -> String {
    topology.dmz().expect("a DMZ").subnet().to_string()
}

fn config(name: &str) -> TopologyConfig {
    let value = serde_json::json!({"name": name, "depth": 1, "branching_factor": 1, "seed": 7});
    TopologyConfig::from_value(&value, &CATALOG, || 0).expect("a config")
}

/// The maze `small` as a file.
fn file() -> Draft {
    Draft {
        header: Header {
            name: "corp".into(),
            ..Header::default()
        },
        ..Draft::from(&small())
    }
}

/// A file that leaves its subnet open.
fn open_file() -> Draft {
    let text = "{format: decnet.topology/1, name: corp, lans: [{name: dmz, dmz: true}]}";
    document::parse(text, Syntax::Yaml).expect("a maze file")
}

fn publish(rule: &str) -> ApplyOptions {
    let rules = [rule.parse().expect("a rule")];
    ApplyOptions::default().settings(SettingsChange::default().publish(rules))
}

fn add_lan(name: &str) -> NewMutation {
    let json = format!(r#"{{"op": "add_lan", "payload": {{"name": "{name}"}}}}"#);
    NewMutation::new(Mutation::from_json(&json).expect("a mutation"))
}

async fn count(lab: &Lab) -> usize {
    lab.repo.list(&TopologyFilter::default()).await.expect("listed").total
}

#[tokio::test]
async fn an_empty_maze_avoids_the_subnets_of_mazes_and_of_the_runtime() {
    let lab = Lab::new();
    lab.docker.add_network(
        NetworkName::from_docker("lab"),
        "172.16.0.0/24".parse().expect("a subnet"),
    );
    let first = lab
        .engine
        .create(name("one"), CreateOptions::default())
        .await
        .expect("stored");
    let second = lab
        .engine
        .create(name("two"), CreateOptions::default())
        .await
        .expect("stored");
    assert_eq!(dmz(&first.stored.topology), "172.16.1.0/24");
    assert_eq!(dmz(&second.stored.topology), "172.16.2.0/24");
    let given = CreateOptions::default().subnet("10.90.7.0/24".parse().expect("a subnet"));
    let third = lab.engine.create(name("three"), given).await.expect("stored");
    assert_eq!(dmz(&third.stored.topology), "10.90.7.0/24");

    let again = lab
        .engine
        .create(name("four"), given)
        .await
        .expect_err("the subnet is claimed");
    assert_eq!(again.code(), "subnet_claimed");
    let special = CreateOptions::default().subnet("127.0.0.0/24".parse().expect("a subnet"));
    let special = lab
        .engine
        .create(name("five"), special)
        .await
        .expect_err("loopback is refused");
    assert_eq!(special.code(), "invalid");
    assert_eq!(count(&lab).await, 3);
}

#[tokio::test]
async fn mazes_are_stored_and_deleted_while_the_runtime_does_not_answer() {
    let lab = Lab::new();
    lab.docker.go_away();
    let created = lab
        .engine
        .create(name("one"), CreateOptions::default())
        .await
        .expect("stored");
    lab.engine.generate(&config("two")).await.expect("stored");
    lab.engine
        .apply(&open_file(), ApplyOptions::default())
        .await
        .expect("stored");
    let row = lab.engine.delete(created.stored.row.id, None).await.expect("deleted");
    assert_eq!(row.name, name("one"));
    assert_eq!(count(&lab).await, 2);
}

#[tokio::test]
async fn a_generated_maze_is_stored_with_its_config_and_published() {
    let lab = Lab::new();
    let mut events = lab.engine.events();
    let taken = lab
        .engine
        .create(name("first"), CreateOptions::default())
        .await
        .expect("stored");
    let outcome = lab.engine.generate(&config("corp")).await.expect("stored");
    let (row, topology) = (&outcome.stored.row, &outcome.stored.topology);
    assert_ne!(dmz(topology), dmz(&taken.stored.topology));
    assert_eq!(row.config.as_ref().map(TopologyConfig::seed), Some(7));
    let summary = serde_json::to_value(&outcome).expect("JSON");
    assert_eq!((&summary["seed"], &summary["result"]), (&7.into(), &"created".into()));

    for id in [taken.stored.row.id, row.id] {
        let Some(Received::Event(envelope)) = events.recv().await else {
            panic!("an event is lost");
        };
        let is_creation = matches!(&envelope.event, Event::Status { topology, from: None, to: Status::Pending, .. } if *topology == id);
        assert!(is_creation, "{envelope:?}");
    }
    let twice = lab
        .engine
        .generate(&config("corp"))
        .await
        .expect_err("the name is taken");
    assert_eq!(twice.code(), "name_taken");
}

#[tokio::test]
async fn a_file_is_created_then_unchanged_then_replaced_but_never_replaces_a_running_maze() {
    let lab = Lab::new();
    let engine = &lab.engine;
    let created = engine.apply(&file(), ApplyOptions::default()).await.expect("stored");
    let id = created.stored.row.id;
    assert_eq!(created.result, StoreResult::Created);
    let unchanged = engine.apply(&file(), ApplyOptions::default()).await.expect("stored");
    assert_eq!(
        (unchanged.result, unchanged.stored.row.id),
        (StoreResult::Unchanged, id)
    );

    let mut edited = file();
    edited.deckies[1].services = None;
    let replaced = engine.apply(&edited, ApplyOptions::default()).await.expect("stored");
    assert_eq!((replaced.result, replaced.stored.row.id), (StoreResult::Replaced, id));

    lab.deploy(id).await.expect("deployed");
    let before = lab.repo.load(id).await.expect("stored");
    let differs = engine
        .apply(&file(), ApplyOptions::default())
        .await
        .expect_err("it runs");
    let EngineError::Differs { stored, wanted } = differs else {
        panic!("{differs:?}");
    };
    assert_eq!((*stored, *wanted), (before.clone(), small()));
    assert_eq!(lab.repo.load(id).await.expect("stored"), before);
}

#[tokio::test]
async fn a_file_that_breaks_rules_or_has_no_valid_name_is_not_stored() {
    let lab = Lab::new();
    let mut wrong = file();
    wrong.deckies[0].services = Some(vec!["shh".into()]);
    let refused = lab
        .engine
        .apply(&wrong, ApplyOptions::default())
        .await
        .expect_err("an unknown service");
    assert_eq!(refused.code(), "invalid");
    let mut nameless = file();
    nameless.header.name = String::new();
    let refused = lab
        .engine
        .apply(&nameless, ApplyOptions::default())
        .await
        .expect_err("no name");
    assert_eq!(refused.code(), "invalid_name");
    let mut twice = file();
    twice.lans[1].name = "dmz".into();
    let refused = lab
        .engine
        .apply(&twice, ApplyOptions::default())
        .await
        .expect_err("two LANs with one name");
    assert_eq!(refused.code(), "invalid");
    assert_eq!(count(&lab).await, 0);
}

#[tokio::test]
async fn a_publish_rule_that_matches_nothing_is_refused_before_storing() {
    let lab = Lab::new();
    let refused = lab.engine.apply(&file(), publish("shh=127.0.0.1:2222")).await;
    assert_eq!(refused.expect_err("no such service").code(), "publish_maps_nothing");
    assert_eq!(count(&lab).await, 0);
    // The stored maze is not edited either.
    lab.engine
        .apply(&file(), ApplyOptions::default())
        .await
        .expect("stored");
    let mut edited = file();
    edited.deckies[1].services = None;
    let refused = lab.engine.apply(&edited, publish("smb=1445")).await;
    assert_eq!(refused.expect_err("not on a gateway").code(), "publish_maps_nothing");
    let unchanged = lab
        .engine
        .apply(&file(), ApplyOptions::default())
        .await
        .expect("stored");
    assert_eq!(unchanged.result, StoreResult::Unchanged);
}

#[tokio::test]
async fn a_new_maze_is_stored_with_its_settings_in_one_write() {
    let lab = Lab::new();
    let created = lab
        .engine
        .apply(&file(), publish("ssh=127.0.0.1:2222"))
        .await
        .expect("stored");
    let row = lab.repo.get(created.stored.row.id).await.expect("a row");
    assert_eq!(row.settings.publish.rules()[0].to_string(), "ssh=127.0.0.1:2222");
    assert_eq!(row.changed_at, row.created_at, "nothing was written later");
}

#[tokio::test]
async fn a_failed_maze_is_deleted_only_when_nothing_of_it_is_left() {
    let lab = Lab::new();
    let id = lab.store("corp", small()).await;
    lab.docker.fail(6, Moment::After, refused());
    let is_removal = |action: &decnet_engine::Action| action.to_string().starts_with("remove");
    lab.docker.fail_where(is_removal, Moment::Before, refused());
    lab.deploy(id).await.expect_err("it fails");
    let error = lab.engine.delete(id, None).await.expect_err("something is left");
    assert_eq!(error.code(), "left_on_docker");
    assert!(error.to_string().contains("`corp` still has"), "{error}");

    lab.docker.reconnect();
    lab.teardown(id).await.expect("torn down");
    lab.engine.delete(id, None).await.expect("deleted");
    assert_eq!(count(&lab).await, 0);
    let id = lab.store("corp", small()).await;
    lab.deploy(id).await.expect("deployed");
    assert_eq!(
        lab.engine.delete(id, None).await.expect_err("it runs").code(),
        "wrong_status"
    );
}

#[tokio::test]
async fn a_wait_ends_when_the_mutation_is_applied() {
    let lab = Lab::new();
    let id = lab.store("corp", small()).await;
    let never = CancellationToken::new();
    let pending = lab
        .engine
        .create(name("lab"), CreateOptions::default())
        .await
        .expect("stored");
    let edited = lab
        .engine
        .submit_and_wait(pending.stored.row.id, add_lan("cellar"), None, None, &never)
        .await;
    assert!(matches!(edited, Ok(Submitted::Edited(_))), "{edited:?}");

    lab.deploy(id).await.expect("deployed");
    let waited = lab
        .engine
        .submit_and_wait(id, add_lan("attic"), None, None, &never)
        .await;
    let Ok(Submitted::Enqueued(row)) = waited else {
        panic!("{waited:?}");
    };
    assert_eq!(row.state, MutationState::Applied);
    assert!(lab.repo.load(id).await.expect("stored").topology.lans().len() == 3);

    let submitted = lab.engine.submit(id, add_lan("vault"), None).await.expect("queued");
    let Submitted::Enqueued(row) = submitted else {
        panic!("{submitted:?}");
    };
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let error = lab
        .engine
        .wait_for(row.id, None, &cancelled)
        .await
        .expect_err("cancelled");
    assert_eq!(error.code(), "mutation_queued");
    let EngineError::MutationQueued {
        mutation,
        state,
        source,
    } = error
    else {
        panic!("{error:?}");
    };
    assert_eq!((mutation, state), (row.id, MutationState::Pending));
    assert_eq!(source.code(), "interrupted");
    lab.docker.go_away();
    let error = lab
        .engine
        .wait_for(row.id, None, &never)
        .await
        .expect_err("unreachable");
    let EngineError::MutationQueued { mutation, source, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(*mutation, row.id);
    assert!(matches!(**source, EngineError::Runtime(_)), "{source:?}");
    lab.docker.reconnect();
    let row = lab.engine.wait_for(row.id, None, &never).await.expect("finished");
    assert_eq!(row.state, MutationState::Applied);
}

#[tokio::test]
async fn a_mutation_that_is_cancelled_before_it_is_queued_is_not_queued() {
    let lab = Lab::new();
    let id = lab.store("corp", small()).await;
    lab.deploy(id).await.expect("deployed");
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let submitted = lab
        .engine
        .submit_and_wait(id, add_lan("attic"), None, None, &cancelled)
        .await;
    assert!(
        matches!(submitted, Err(EngineError::Interrupted { .. })),
        "{submitted:?}"
    );
    let unfinished = decnet_topology::MutationQueue::has_unfinished(lab.repo.as_ref(), id).await;
    assert!(!unfinished.expect("asked"));
}

#[tokio::test]
async fn with_wait_nothing_is_queued_if_the_runtime_does_not_answer() {
    let lab = Lab::new();
    let id = lab.store("corp", small()).await;
    lab.deploy(id).await.expect("deployed");
    lab.docker.go_away();
    let never = CancellationToken::new();
    let error = lab
        .engine
        .submit_and_wait(id, add_lan("attic"), None, None, &never)
        .await;
    assert_eq!(error.expect_err("no runtime").code(), "docker_unreachable");
    let unfinished = decnet_topology::MutationQueue::has_unfinished(lab.repo.as_ref(), id).await;
    assert!(!unfinished.expect("asked"));
}

#[tokio::test]
async fn a_mutation_is_checked_without_a_runtime_or_changes() {
    let lab = Lab::new();
    let stored = lab
        .engine
        .apply(&file(), ApplyOptions::default())
        .await
        .expect("stored")
        .stored;
    lab.docker.go_away();
    let id = stored.row.id;
    let checked = lab.engine.check_mutation(id, &add_lan("attic").mutation, None).await;
    assert_eq!(checked.expect("the mutation is valid").lans().len(), 3);
    let twice = lab.engine.check_mutation(id, &add_lan("office").mutation, None).await;
    assert!(matches!(twice, Err(EngineError::Mutation(_))), "{twice:?}");
    let stale = Some(decnet_topology::Version::new(9));
    let stale = lab.engine.check_mutation(id, &add_lan("attic").mutation, stale).await;
    assert_eq!(stale.expect_err("another version").code(), "version_conflict");
    assert_eq!(lab.repo.load(id).await.expect("stored"), stored);
}

/// A store in which another process claims the first free subnet just before the first write.
#[derive(Debug)]
struct Raced {
    inner: Arc<MemoryRepo>,
    raced: AtomicBool,
}

impl Raced {
    fn engine() -> Engine {
        Self::before(Arc::new(MemoryRepo::new()))
    }

    fn before(inner: Arc<MemoryRepo>) -> Engine {
        let raced = AtomicBool::new(false);
        let options = EngineOptions::new(CATALOG.clone());
        Engine::new(Arc::new(Self { inner, raced }), Arc::new(Simulated::new()), options)
    }

    async fn guard<T>(&self, call: &str, answer: impl Future<Output = Result<T, RepoError>>) -> Result<T, RepoError> {
        if matches!(call, "create" | "edit") && !self.raced.swap(true, Ordering::Relaxed) {
            let topology = Topology::builder()
                .dmz("dmz", "172.16.0.0/22")
                .build()
                .expect("a topology");
            let rival = NewTopology::new(name("rival"), topology);
            self.inner.create(rival, Timestamp::now()).await?;
        }
        answer.await
    }
}

guarded!(Raced);

#[tokio::test]
async fn other_subnets_are_chosen_if_another_process_claims_the_free_ones_first() {
    let created = Raced::engine().create(name("corp"), CreateOptions::default()).await;
    assert_eq!(dmz(&created.expect("stored").stored.topology), "172.16.4.0/24");
    Raced::engine().generate(&config("corp")).await.expect("stored");
    let applied = Raced::engine().apply(&open_file(), ApplyOptions::default()).await;
    assert_eq!(dmz(&applied.expect("stored").stored.topology), "172.16.4.0/24");

    // A given subnet is not replaced by another.
    let given = CreateOptions::default().subnet("172.16.0.0/24".parse().expect("a subnet"));
    let refused = Raced::engine()
        .create(name("corp"), given)
        .await
        .expect_err("it is claimed");
    assert_eq!(refused.code(), "subnet_claimed");
}

#[tokio::test]
async fn an_added_lan_gets_another_subnet_if_its_own_is_claimed_first() {
    let repo = Arc::new(MemoryRepo::new());
    let topology = Topology::builder()
        .dmz("dmz", "10.90.0.0/24")
        .build()
        .expect("a topology");
    let new = NewTopology::new(name("corp"), topology);
    let id = repo.create(new, Timestamp::now()).await.expect("stored").row.id;
    let submitted = Raced::before(repo).submit(id, add_lan("office"), None).await;
    let Ok(Submitted::Edited(stored)) = submitted else {
        panic!("{submitted:?}");
    };
    assert_eq!(stored.topology.lans()[1].subnet().to_string(), "172.16.4.0/24");
}

#[cfg(feature = "docker")]
#[tokio::test]
async fn docker_is_connected_at_its_first_use_only() {
    use decnet_engine::{DockerHost, DockerOptions};
    let variable = |name: &str| (name == "DOCKER_HOST").then(|| "unix:///nonexistent/docker.sock".to_owned());
    let host = DockerHost::find(variable, |_| None).expect("a host");
    let options = DockerOptions::default().host(host);
    let repo = Arc::new(MemoryRepo::new());
    let engine = Engine::on_docker_when_needed(repo, Ok(options), EngineOptions::new(CATALOG.clone()));
    let stored = engine
        .create(name("corp"), CreateOptions::default())
        .await
        .expect("stored")
        .stored;
    let deployed = engine
        .deploy(stored.row.id, DeployOptions::default(), &CancellationToken::new())
        .await;
    assert_eq!(deployed.expect_err("no daemon").code(), "docker_unreachable");
    engine.delete(stored.row.id, None).await.expect("deleted");
}
